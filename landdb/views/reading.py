"""The answers that are finished in the database: which statement, which parameters, and how its row becomes a body.

The reading lane (``api/reading.py``) and the ordinary routes ask the same statements, so that an answer does not depend on the
road that it took. Only present data are read here; other times go through ``parcels_at``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode
from uuid import UUID

from landdb.db.transaction import Tx, statement_file
from landdb.errors import NotFound
from landdb.views.parcel_query import FIRST, Box

GEOJSON: Final = "application/geo+json"
MVT: Final = "application/vnd.mapbox-vector-tile"
TILE_LAYERS: Final = ("parcels", "communes", "linear")
MAX_ZOOM: Final = 22
WIDE_DEG2: Final = 0.0003
"""Some four square kilometres: above it a box may hold more than a page."""
STATEMENTS: Final = (
    "face_by_id", "face_in_box", "face_at_point", "face_by_number",
    "tile_parcels", "tile_parcels_coarse", "tile_parcels_far", "tile_communes", "tile_linear",
    "version_parcels", "version_map",
)  # fmt: skip
OF_PARCELS: Final = (
    "face_by_id",
    "face_in_box",
    "face_at_point",
    "face_by_number",
    "tile_parcels",
    "tile_parcels_coarse",
)
"""Statements whose answer only a change of parcels can change; the other tiles also show boundaries, objects and the day."""


class TileUnknown(NotFound):
    """No such layer, zoom or place in the grid. Params: ``layer``, ``z``, ``x``, ``y``."""

    code = "tile.unknown"


@dataclass(frozen=True)
class Reading:
    """One question to the present register. ``link`` is its one spelling: address of the answer and key of the cache."""

    statement: str
    params: Mapping[str, Any]
    kind: Literal["feature", "collection", "tile"]
    link: str
    wide: bool = False
    """Whether a plan made for this very question is worth its making: one plan for streets and provinces is slow."""

    @property
    def media_type(self) -> str:
        return MVT if self.kind == "tile" else GEOJSON

    @property
    def version_statement(self) -> str:
        """What tells, cheaply, whether an answer that somebody has is still good."""
        return "version_parcels" if self.statement in OF_PARCELS else "version_map"


def statement(name: str) -> str:
    """The text of a reading statement, with ``:named`` parameters; ``{version}`` filled with its layer's."""
    text = _text(name)
    if "{version}" in text:
        text = text.replace("{version}", _text("version_parcels" if name in OF_PARCELS else "version_map"))
    return text


def _text(name: str) -> str:
    lines = statement_file(Path(__file__).parent, name).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--"))


def generation() -> str:
    """Changes with the statements, so that an ETag of an older release never vouches for a newer answer."""
    texts = "".join(statement(name) for name in STATEMENTS)
    return hashlib.blake2b(texts.encode(), digest_size=4).hexdigest()


def parcel(parcel_id: UUID) -> Reading:
    """One parcel in force."""
    return Reading("face_by_id", {"parcel_id": parcel_id}, "feature", f"/v1/parcels/{parcel_id}")


def in_box(box: Box, limit: int, after: UUID) -> Reading:
    """Parcels in force that touch a box."""
    inner = box.inner
    params = {
        "west": box.west, "south": box.south, "east": box.east, "north": box.north,
        "inner_west": inner[0], "inner_south": inner[1], "inner_east": inner[2], "inner_north": inner[3],
        "limit": limit, "after": after,
    }  # fmt: skip
    wide = (box.east - box.west) * (box.north - box.south) > WIDE_DEG2
    return _collection("face_in_box", params, f"bbox={box.text}", wide=wide)


def at_point(lon: float, lat: float, limit: int, after: UUID) -> Reading:
    """Parcels in force at a point, degrees."""
    params = {"lon": lon, "lat": lat, "limit": limit, "after": after}
    return _collection("face_at_point", params, f"at={lon!r},{lat!r}")


def by_number(commune: str, sheet: str | None, number: str | None, limit: int, after: UUID) -> Reading:
    """Parcels in force by what people call them; a null number asks for all."""
    params = {"commune": commune, "sheet": sheet, "parcel": number, "limit": limit, "after": after}
    asked = {"commune": commune, "sheet": sheet, "parcel": number}
    return _collection(
        "face_by_number", params, urlencode({k: v for k, v in asked.items() if v is not None}, quote_via=quote)
    )


def _collection(name: str, params: dict[str, Any], query: str, *, wide: bool = False) -> Reading:
    link = f"/v1/parcels?{query}&limit={params['limit']}"
    if params["after"] != FIRST:
        link += f"&after={params['after']}"
    return Reading(name, params, "collection", link, wide)


def tile(layer: str, z: int, x: int, y: int) -> Reading:
    """One vector tile of the web-mercator grid. Raises: TileUnknown."""
    if layer not in TILE_LAYERS or not 0 <= z <= MAX_ZOOM or not (0 <= x < 1 << z and 0 <= y < 1 << z):
        raise TileUnknown(layer=layer, z=z, x=x, y=y)
    name = f"tile_{layer}"
    if layer == "parcels" and z < 14:
        name = "tile_parcels_coarse" if z == 13 else "tile_parcels_far"
    return Reading(name, {"z": z, "x": x, "y": y}, "tile", f"/tiles/{layer}/{z}/{x}/{y}.mvt")


def body_of(reading: Reading, row: Sequence[Any]) -> bytes:
    """The finished body from the statement's row (version, bytes, and for collections: how many, last key if more follow)."""
    content = bytes(row[1]) if row[1] is not None else b""
    if reading.kind != "collection":
        return content
    links = [_link("self", reading.link)]
    if row[3] is not None:
        base = reading.link.split("&after=")[0]
        links.append(_link("next", f"{base}&after={row[3]}"))
    head = f'{{"type":"FeatureCollection","numberReturned":{row[2]},"links":[{",".join(links)}],"features":['
    return b"".join((head.encode(), content, b"]}"))


def _link(rel: str, href: str) -> str:
    # Nothing in an href needs escaping: numbers, keys, and text that was percent-encoded.
    return f'{{"rel":"{rel}","type":"{GEOJSON}","href":"{href}"}}'


def etag_of(reading: Reading, register: str, version: str) -> str:
    """A strong tag: the same question at the same version of the data has the same bytes."""
    digest = hashlib.blake2b(f"{register} {reading.link}".encode(), digest_size=9).hexdigest()
    return f"{version}-{digest}"


def read_present(tx: Tx, reading: Reading) -> bytes | None:
    """The body by the ordinary road; null where the parcel is unknown or ended."""
    row = tx.execute(statement(reading.statement), dict(reading.params)).first()
    return None if row is None else body_of(reading, row)

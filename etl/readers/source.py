"""What a file says about itself before any row is read: format, layers, fields, declared CRS and encoding."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

_POLYGONAL = ("polygon", "multipolygon", "curvepolygon", "multisurface", "geometry", "unknown", "geometrycollection")


@dataclass(frozen=True)
class Field:
    """One attribute as declared by the file. width and decimals are 0 where the format has none."""

    name: str
    kind: str
    width: int = 0
    decimals: int = 0


@dataclass(frozen=True)
class Layer:
    """One layer. rows: None where the format does not tell. crs_wkt: as declared, None = nothing declared."""

    name: str
    rows: int | None
    geometry_type: str
    fields: tuple[Field, ...]
    crs_wkt: str | None = None
    encoding: str | None = None
    dataset: str = ""

    @property
    def may_hold_polygons(self) -> bool:
        """False only where the layer itself says that it holds points, lines or no geometry."""
        plain = self.geometry_type.lower().replace(" ", "").removesuffix("zm").rstrip("zm").removeprefix("2.5d")
        return plain in _POLYGONAL


@dataclass(frozen=True)
class Notice:
    """Something about the whole file that a person should see, though it stops nothing. code: file.…"""

    code: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A recognised file. file: the name as uploaded. format: key of the driver table. bytes: size on disk."""

    file: str
    format: str
    driver: str
    bytes: int
    layers: tuple[Layer, ...]
    notices: tuple[Notice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, for the pipe from the child process and for the job's record."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Source:
        """The inverse of `to_json`."""
        layers = tuple(
            Layer(**{**layer, "fields": tuple(Field(**f) for f in layer["fields"])}) for layer in data["layers"]
        )
        return cls(**{**data, "layers": layers, "notices": tuple(Notice(**n) for n in data["notices"])})

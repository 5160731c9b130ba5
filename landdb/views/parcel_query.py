"""What a reader may ask of the parcels, read from the text of a request without a database: boxes, points, instants, zones."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from uuid import UUID

from landdb.errors import Malformed, NotFound

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100
FIRST = UUID(int=0)
"""Before every key: where a list begins."""

# Two metres: more than the 0.8 m by which single precision can be off at these longitudes.
_INSET_DEG = 0.00002


class BoxMalformed(Malformed):
    """Params: ``value``, ``reason`` (numbers | order | range | antimeridian)."""

    code = "parcel.box_malformed"


class PointMalformed(Malformed):
    """Params: ``value``."""

    code = "parcel.point_malformed"


class ParcelIdMalformed(Malformed):
    """Params: ``value``."""

    code = "parcel.id_malformed"


class AfterMalformed(Malformed):
    """The ``after`` of a list is not a key that a ``next`` link gave. Params: ``value``."""

    code = "parcel.after_malformed"


class DateMalformed(Malformed):
    """Params: ``field``, ``value``."""

    code = "parcel.date_malformed"


class DateInFuture(Malformed):
    """The register knows nothing of days to come. Params: ``field``, ``value``."""

    code = "parcel.date_in_future"


class ZoneUnknown(Malformed):
    """Params: ``crs``, ``known``."""

    code = "parcel.crs_unknown"


class QuestionMissing(Malformed):
    """None of ``bbox``, ``at``, ``commune`` was given, or more than one."""

    code = "parcel.question_missing"


class ParcelUnknown(NotFound):
    """Params: ``parcel_id``."""

    code = "parcel.unknown"


class ParcelEnded(NotFound):
    """It was in the register and is no longer. Params: ``parcel_id``, ``successors``."""

    code = "parcel.ended"


@dataclass(frozen=True)
class Box:
    """A lon/lat box in WGS 84, degrees, edges included. Without width or height it is a line or a point."""

    west: float
    south: float
    east: float
    north: float

    @property
    def inner(self) -> tuple[float, float, float, float]:
        """The box less two metres each side; where nothing is left, a box at (0, 0), in which no parcel lies."""
        west, south, east, north = (
            self.west + _INSET_DEG,
            self.south + _INSET_DEG,
            self.east - _INSET_DEG,
            self.north - _INSET_DEG,
        )
        return (west, south, east, north) if west < east and south < north else (0.0, 0.0, 0.0, 0.0)

    @property
    def text(self) -> str:
        return f"{self.west!r},{self.south!r},{self.east!r},{self.north!r}"


def read_box(text: str) -> Box:
    """Four numbers west, south, east, north, or six with heights, which are not used.

    Raises: BoxMalformed, also where the box crosses the antimeridian (west > east): no land of this register lies there.
    """
    values = _numbers(text)
    if values is None or len(values) not in {4, 6}:
        raise BoxMalformed(value=text, reason="numbers")
    west, south, east, north = values if len(values) == 4 else (*values[:2], *values[3:5])
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= 90 and -90 <= north <= 90):
        raise BoxMalformed(value=text, reason="range")
    if south > north or (len(values) == 6 and values[2] > values[5]):
        raise BoxMalformed(value=text, reason="order")
    if west > east:
        raise BoxMalformed(value=text, reason="antimeridian" if west > 0 > east else "order")
    return Box(west, south, east, north)


def read_point(text: str) -> tuple[float, float]:
    """Longitude and latitude, degrees. Raises: PointMalformed."""
    values = _numbers(text)
    if values is None or len(values) != 2 or abs(values[0]) > 180 or abs(values[1]) > 90:
        raise PointMalformed(value=text)
    return values[0], values[1]


def _numbers(text: str) -> list[float] | None:
    """Null where one is no finite number. ``float`` also reads "1_0", which nobody means."""
    if "_" in text:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    return values if all(math.isfinite(value) for value in values) else None


def read_id(text: str) -> UUID:
    """Raises: ParcelIdMalformed; only the usual form with hyphens is an id."""
    try:
        found = UUID(text)
    except ValueError:
        raise ParcelIdMalformed(value=text) from None
    if str(found) != text.lower():
        raise ParcelIdMalformed(value=text)
    return found


def read_after(text: str | None) -> UUID:
    """The key after which a page begins; null: the beginning. Raises: AfterMalformed."""
    if text is None:
        return FIRST
    try:
        return read_id(text)
    except ParcelIdMalformed:
        raise AfterMalformed(value=text) from None


@dataclass(frozen=True)
class AsOf:
    """Two clocks: what held on ``valid_at`` (a day in Vietnam), as the register knew it at ``known_at``."""

    valid_at: dt.date
    known_at: dt.datetime


def read_as_of(valid_at: str | None, known_at: str | None, *, now: dt.datetime, today: dt.date) -> AsOf:
    """What is not given is now. ``known_at`` without an offset is refused: it would be another instant elsewhere.

    Raises: DateMalformed, DateInFuture.
    """
    day = _day(valid_at) if valid_at is not None else today
    instant = _instant(known_at) if known_at is not None else now
    if day > today:
        raise DateInFuture(field="valid_at", value=day.isoformat())
    if instant > now + dt.timedelta(minutes=5):
        raise DateInFuture(field="known_at", value=instant.isoformat())
    return AsOf(day, instant)


def _day(text: str) -> dt.date:
    try:
        if len(text) != 10:
            raise ValueError
        return dt.date.fromisoformat(text)
    except ValueError:
        raise DateMalformed(field="valid_at", value=text) from None


def _instant(text: str) -> dt.datetime:
    try:
        # A plus sign that was not escaped in the address arrives as a blank.
        found = dt.datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise DateMalformed(field="known_at", value=text) from None
    if found.tzinfo is None:
        raise DateMalformed(field="known_at", value=text)
    return found


def read_limit(limit: int | None) -> int:
    """Null: the usual number; above the most, the most."""
    return DEFAULT_LIMIT if limit is None else min(max(limit, 1), MAX_LIMIT)

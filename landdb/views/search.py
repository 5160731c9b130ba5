"""The search box: every reading of what was typed, looked up; ambiguous text answers with all candidates, never with a guess."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from landdb.access.permissions import allows
from landdb.config import settings
from landdb.db.transaction import Tx, statement_file
from landdb.messages import LANGUAGES, Language, message
from landdb.reference.model import AdminUnit, fold
from landdb.reference.store import find_units_by_code, search_units
from landdb.views.search_query import (
    CertificateQuestion,
    LonLatQuestion,
    ParcelQuestion,
    PlaceQuestion,
    PlaneQuestion,
    Question,
    read_question,
)

HERE: Final = Path(__file__).parent
LIMIT: Final = 50
CERTIFICATES: Final = "parcel:card"
"""Who holds a certificate is not public: numbers on it are looked up only for those who may read cards."""


@dataclass(frozen=True)
class Found:
    """One candidate. ``point`` is lon/lat, ``bbox`` west, south, east, north, degrees; null: nowhere on the map."""

    kind: str
    label: str
    detail: str
    parcel_id: UUID | None = None
    point: tuple[float, float] | None = None
    bbox: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Notice:
    """What a person should know of the answer: nothing found, not stored here, sign in first."""

    code: str
    title: str
    detail: str
    action: str


@dataclass(frozen=True)
class Answer:
    """``kind`` is that of the first reading: parcel, certificate, coordinate, place."""

    query: str
    kind: str
    results: list[Found]
    notices: list[Notice] = field(default_factory=list)


def search(tx: Tx, text: str, limit: int = LIMIT) -> Answer:
    """All that ``text`` may mean, the likeliest first. Raises: SearchUnreadable."""
    questions = read_question(text)
    asking = _Asking(tx, _language(tx), limit)
    results = [found for question in questions for found in asking.answer(question)]
    if not results and not asking.notices:
        asking.notice("search.nothing_found", query=text)
    return Answer(text, _kind(questions[0]), results[:limit], asking.notices)


def _language(tx: Tx) -> Language:
    return next((known for known in LANGUAGES if known == tx.actor.language), "vi")


def _kind(question: Question) -> str:
    kinds = {
        ParcelQuestion: "parcel", CertificateQuestion: "certificate", LonLatQuestion: "coordinate",
        PlaneQuestion: "coordinate", PlaceQuestion: "place",
    }  # fmt: skip
    return kinds[type(question)]


class _Asking:
    """One search under way: its transaction, its language, and the notices gathered so far."""

    def __init__(self, tx: Tx, language: Language, limit: int) -> None:
        self.tx = tx
        self.language: Language = language
        self.limit = limit
        self.notices: list[Notice] = []

    def answer(self, question: Question) -> list[Found]:
        match question:
            case ParcelQuestion():
                return self._parcels(question)
            case CertificateQuestion():
                return self._certificates(question)
            case LonLatQuestion():
                return self._lonlat(question)
            case PlaneQuestion():
                return self._plane(question)
            case PlaceQuestion():
                return self._places(question)

    def notice(self, code: str, **params: Any) -> None:
        text = message(code, params, self.language)
        self.notices.append(Notice(code, text.title, text.detail, text.action))

    def _rows(self, name: str, **params: Any) -> list[Any]:
        return list(self.tx.execute(statement_file(HERE, name), params | {"limit": self.limit}).all())

    def _words(self, result: str, **params: Any) -> tuple[str, str]:
        """Label and detail of a result."""
        text = message(f"search.result.{result}", params, self.language)
        return text.title, text.detail

    # ---------------------------------------------------------------- parcels

    def _parcels(self, question: ParcelQuestion) -> list[Found]:
        units = self._units(question)
        if units is not None and not units:
            self.notice("search.place_unknown", place=question.place or question.commune_code)
            return []
        ids = None if units is None else [unit.admin_unit_id for unit in units]
        rows = [
            row
            for sheet, parcel in question.numbers
            for row in self._rows("search_parcels", units=ids, sheet=sheet, parcel=parcel)
        ]
        rows.sort(key=lambda row: row.rank)
        if len(rows) > 1 and ids is None:
            self.notice("search.several", count=len(rows))
        return [self._parcel(row) for row in rows]

    def _units(self, question: ParcelQuestion) -> list[AdminUnit] | None:
        """Every unit that the place may mean; null: no place was named. Whole names shut out names that contain them."""
        if question.commune_code:
            return find_units_by_code(self.tx, question.commune_code)
        if not question.place:
            return None
        found = search_units(self.tx, question.place, limit=self.limit)
        first = fold(question.place.split(",")[0])
        whole = [unit for unit in found if first in {fold(unit.name), fold(unit.full_name)}]
        return whole or found

    def _parcel(self, row: Any) -> Found:
        area = "–" if row.area_m2 is None else _decimal(float(row.area_m2), self.language)
        which = "former" if row.called else "ended" if row.status == "ended" else "parcel"
        label, detail = self._words(
            which,
            parcel_no=row.parcel_no,
            sheet_no=row.sheet_no,
            commune=row.drawn_commune,
            today=row.commune,
            land_use=row.land_use or "–",
            area=area,
            called=row.called,
        )
        if row.drawn_commune != row.commune:
            detail = f"{detail} · {self._words('today', today=row.commune)[0]}"
        return Found("parcel", label, detail, row.parcel_id, _point(row), _bbox(row))

    # ---------------------------------------------------------------- certificates

    def _certificates(self, question: CertificateQuestion) -> list[Found]:
        if question.serial_folded is None and not question.register_nos:
            self.notice("search.number_not_stored", number=question.national_code or question.barcode)
            return []
        if not allows(self.tx.actor, CERTIFICATES):
            self.notice("search.certificate_sign_in")
            return []
        rows = self._rows(
            "search_certificates", serial=question.serial_folded, register_nos=list(question.register_nos)
        )
        return [self._certificate(row) for row in rows]

    def _certificate(self, row: Any) -> Found:
        label, detail = self._words(
            "certificate",
            number=row.serial_no or row.register_no,
            register_no=row.register_no or "–",
            issued_on=row.issued_on.isoformat() if row.issued_on else "–",
            parcel_no=row.parcel_no or "–",
            sheet_no=row.sheet_no or "–",
            commune=row.commune or "–",
        )
        return Found("certificate", label, detail, row.parcel_id, _point(row), _bbox(row))

    # ---------------------------------------------------------------- coordinates and places

    def _lonlat(self, question: LonLatQuestion) -> list[Found]:
        rows = self._rows("search_lonlat", lon=question.lon, lat=question.lat)
        return [self._spot(row, question.lon, question.lat, "WGS 84") for row in rows]

    def _plane(self, question: PlaneQuestion) -> list[Found]:
        rows = self._rows(
            "search_plane_point",
            east_m=question.east_m,
            north_m=question.north_m,
            storage_srid=settings().storage_srid,
        )
        # A zone in which the point meets a parcel or a commune shuts out those in which it merely falls into the country.
        best = [row for row in rows if row.rank < 2] or rows
        if len(best) > 1:
            self.notice("search.several_zones", count=len(best))
        return [self._spot(row, row.lon, row.lat, f"{row.zone} (EPSG:{row.srid})") for row in best]

    def _spot(self, row: Any, lon: float, lat: float, zone: str) -> Found:
        where = "spot_parcel" if row.parcel_id else "spot"
        label, detail = self._words(
            where,
            lon=f"{lon:.7f}",
            lat=f"{lat:.7f}",
            zone=zone,
            parcel_no=row.parcel_no,
            sheet_no=row.sheet_no,
            commune=row.commune or "–",
        )
        return Found("coordinate", label, detail, row.parcel_id, (lon, lat))

    def _places(self, question: PlaceQuestion) -> list[Found]:
        if question.place.isdigit() and len(question.place) == 5:
            units = find_units_by_code(self.tx, question.place)
        else:
            units = search_units(self.tx, question.place, limit=self.limit)
        rows = self._rows("search_places", unit_ids=[unit.admin_unit_id for unit in units])
        where = {row.admin_unit_id: row for row in rows}
        return [self._place(unit, where[unit.admin_unit_id]) for unit in units]

    def _place(self, unit: AdminUnit, row: Any) -> Found:
        held = unit.valid.holds_on(self.tx.today)
        label, detail = self._words(
            "place" if held else "former_place",
            name=unit.full_name,
            path=unit.path,
            code=unit.code,
            until=unit.valid.end.isoformat() if unit.valid.end else "–",
        )
        bbox = _bbox(row)
        middle = _point(row) or (((bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2) if bbox else None)
        return Found("place", label, detail, None, middle, bbox)


def _point(row: Any) -> tuple[float, float] | None:
    return None if row.lon is None else (round(row.lon, 7), round(row.lat, 7))


def _bbox(row: Any) -> tuple[float, float, float, float] | None:
    if row.west is None:
        return None
    west, south, east, north = _rounded((row.west, row.south, row.east, row.north))
    return west, south, east, north


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(value, 7) for value in values]


def _decimal(value: float, language: Language) -> str:
    """1234.5 as people write it: 1.234,5 in Vietnamese, 1,234.5 in English."""
    text = f"{value:,.1f}"
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))

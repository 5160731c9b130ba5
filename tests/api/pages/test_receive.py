"""The page on which a desk takes a dossier in: the parcel that is meant, and what a finished dossier says of its time."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from landdb.db.transaction import SYSTEM, Database
from tests.api.dossier_office import Province, province
from tests.dossier_make import add_commune
from tests.landdb.service.land_of_people import COMMUNE, COMMUNE_CODE, People


@pytest.fixture
def here(database: Database, tmp_path: Path) -> Province:
    return province(database, tmp_path)


def land(desk: TestClient, parcel_no: str) -> str:
    asked = {"commune": COMMUNE_CODE, "sheet_no": "12", "parcel_no": parcel_no}
    answer = desk.get("/dossiers/new/land", params=asked)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def test_a_parcel_is_found_though_another_bore_its_number_once(here: Province, database: Database) -> None:
    with database.begin(SYSTEM) as tx:
        add_commune(tx)
        people = People.on(tx)
        meant, other = people.parcel("45"), people.parcel("180")
        tx.execute(
            """INSERT INTO parcel_reference (parcel_id, admin_unit_id, sheet_no, parcel_no, kind, valid, recorded,
                   registration_id)
               VALUES (:other, :unit, '12', '45', 'former', '(,)', tstzrange(:now, NULL), :act)""",
            other=other, unit=COMMUNE, now=tx.now, act=people.make.registration_id,
        )  # fmt: skip
    assert str(meant) in land(here["lan"], "45")
    assert str(other) in land(here["lan"], "180")
    assert "Không thấy thửa này" in land(here["lan"], "46")


def test_the_page_tells_the_desk_when_the_citizen_may_come(here: Province) -> None:
    """The clock of the present step runs out days before; it is no appointment."""
    dossier = here.receive()
    page = here["lan"].get(f"/dossiers/{dossier['dossier_id']}").text
    assert "<dt>Hẹn trả</dt>" in page
    assert "(hẹn " not in page


def test_a_former_holder_is_offered_no_sheet_that_it_may_not_print(here: Province) -> None:
    dossier = here.receive()
    page, sheet = f"/dossiers/{dossier['dossier_id']}", f"/v1/dossiers/{dossier['dossier_id']}/receipt.pdf"
    assert sheet in here["lan"].get(page).text
    here.move("lan", "CN.A", "minh", dossier)
    assert sheet not in here["lan"].get(page).text
    assert here["lan"].get(sheet).status_code == 404
    assert sheet in here["minh"].get(page).text

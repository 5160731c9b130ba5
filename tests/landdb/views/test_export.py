"""What may leave the register, and in which pages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landdb.db.transaction import Actor, Tx, new_id
from landdb.views import export
from landdb.views.export import HoldersRefused, NothingToExport
from tests.landdb.views.builder import DAI_TAM, Builder


@pytest.fixture
def register(tx: Tx) -> Tx:
    """Two sheets with five parcels."""
    act = new_id()
    tx.execute(
        "INSERT INTO registration (registration_id, kind, recorded_at) VALUES (:id, 'import', :now)", id=act, now=tx.now
    )
    builder = Builder(tx, act)
    one, two = builder.sheet("1"), builder.sheet("12")
    for number in range(3):
        builder.parcel(one, str(number + 1), (number * 10, 0, number * 10 + 10, 10))
    for number in range(2):
        builder.parcel(two, str(number + 1), (number * 10, 20, number * 10 + 10, 30))
    return tx


def test_pages_hold_each_parcel_once_whatever_their_size(register: Tx) -> None:
    asked = export.extract(register, admin_unit_id=DAI_TAM)
    sheets = export.sheets(register, asked)
    assert [(sheet.sheet_no, sheet.parcels) for sheet in sheets] == [("1", 3), ("12", 2)]
    everything = [list(export.pages(register, asked, sheets, rows)) for rows in (1, 2, 3, 100)]
    keys = [sorted(key for page in pages for key in page.parcels) for pages in everything]
    assert all(len(one) == 5 and one == keys[0] for one in keys)
    assert max(len(page.parcels) for page in everything[1]) == 2


def test_a_page_answers_columns_and_geometry(register: Tx) -> None:
    asked = export.extract(register, admin_unit_id=DAI_TAM)
    (page,) = export.pages(register, asked, export.sheets(register, asked))
    rows = export.parcel_rows(register, asked, page)
    assert len(rows) == 5
    assert {row[3] for row in rows} == {"1", "12"}
    assert all(bytes(row[-1])[:5] == b"\x01\x03\x00\x00\x00" for row in rows)


def test_names_need_the_permission_of_the_card(register: Tx) -> None:
    public = replace(register, actor=Actor())
    with pytest.raises(HoldersRefused):
        export.extract(public, holders=True)
    asked = export.extract(public, admin_unit_id=DAI_TAM)
    (page,) = export.pages(public, asked, export.sheets(public, asked))
    with pytest.raises(HoldersRefused):
        export.table_rows(public, "holders", asked, page)
    officer = replace(register, actor=Actor("staff", permissions=frozenset({"parcel:card"})))
    assert export.extract(officer, holders=True).holders


def test_a_unit_without_parcels_has_nothing_to_export(register: Tx) -> None:
    with pytest.raises(NothingToExport):
        export.sheets(register, export.extract(register, admin_unit_id=1))

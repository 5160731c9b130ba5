"""Every type of column goes through a real PostgreSQL and comes back as it was, or rounded as people round."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from etl import copy_binary as copy
from etl.batch import binary_parts
from landdb.db.transaction import Tx, new_id


def through(tx: Tx, kind: str, piece: copy.Piece) -> list[Any]:
    """The column as PostgreSQL gives it back, row by row."""
    tx.execute(f"CREATE TEMP TABLE sent (n bigint, v {kind}) ON COMMIT DROP")
    rows = len(piece.matrix) if isinstance(piece, copy.Fixed) else len(piece.present)
    body = copy.encode([copy.int8(np.arange(rows)), piece])
    assert tx.copy("COPY sent FROM STDIN (FORMAT binary)", [copy.HEADER, body, copy.TRAILER]) == rows
    return [row[0] for row in tx.execute("SELECT v FROM sent ORDER BY n")]


WHOLE = [0, 1, -1, 32767, -32768]
HUGE = [*WHOLE, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)]


def test_whole_numbers(tx: Tx) -> None:
    assert through(tx, "smallint", copy.int2(np.array(WHOLE))) == WHOLE


@pytest.mark.parametrize(("kind", "piece", "values"), [("integer", copy.int4, HUGE[:7]), ("bigint", copy.int8, HUGE)])
def test_whole_numbers_with_nulls(tx: Tx, kind: str, piece: Any, values: list[int]) -> None:
    present = np.arange(len(values)) % 3 != 1
    sent = through(tx, kind, piece(np.array(values), present))
    assert sent == [value if there else None for value, there in zip(values, present.tolist(), strict=True)]


def test_nothing_but_nulls(tx: Tx) -> None:
    assert through(tx, "integer", copy.int4(np.zeros(3), np.zeros(3, bool))) == [None] * 3


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (0.0, "0.0"), (-0.0, "0.0"), (0.04, "0.0"), (-0.04, "0.0"), (0.05, "0.1"), (-0.05, "-0.1"), (119.25, "119.3"),
        (-119.25, "-119.3"), (0.25, "0.3"), (1.0, "1.0"), (9999.9, "9999.9"), (9999.96, "10000.0"), (10000.5, "10000.5"),
        (123456789.1, "123456789.1"), (9999999999999.9, "9999999999999.9"), (-9999999999999.9, "-9999999999999.9"),
        (100000000.0, "100000000.0"), (float("nan"), None), (float("inf"), None),
    ],
)  # fmt: skip
def test_areas_have_one_decimal_and_halves_go_up(tx: Tx, value: float, stored: str | None) -> None:
    (back,) = through(tx, "numeric(14,1)", copy.numeric1(np.array([value])))
    assert back == (None if stored is None else Decimal(stored))
    if stored is not None:
        assert str(back) == stored


def test_areas_sort_and_add_as_numbers(tx: Tx) -> None:
    """A numeric with digits in a wrong place would still be printed well."""
    values = np.round(np.random.default_rng(3).uniform(-1e6, 1e6, 500), 1)
    back = through(tx, "numeric(14,1)", copy.numeric1(values))
    assert [float(v) for v in back] == values.tolist()
    total = tx.execute("SELECT sum(v), count(DISTINCT v), max(v) FROM sent").one()
    assert total[0] == sum(Decimal(str(v)) for v in values.tolist())
    assert (total[1], float(total[2])) == (len(set(values.tolist())), values.max())


def test_an_area_too_large_for_the_column_is_refused(tx: Tx) -> None:
    with pytest.raises(Exception, match="numeric field overflow"):
        through(tx, "numeric(14,1)", copy.numeric1(np.array([1e14])))


def test_days(tx: Tx) -> None:
    days = [
        dt.date(1999, 12, 31),
        dt.date(2000, 1, 1),
        None,
        dt.date(1, 1, 1),
        dt.date(9999, 12, 31),
        dt.date(2012, 2, 29),
    ]
    assert through(tx, "date", copy.date(pa.array(days, pa.date32()))) == days


def test_texts(tx: Tx) -> None:
    texts = ["", None, "Đại Tâm", "ấp\tĐại\nChí", "x" * 100_000, "𠀀", '"\\'
             ]  # fmt: skip
    assert through(tx, "text", copy.text(pa.array(texts))) == texts


def test_texts_of_a_slice_and_of_chunks(tx: Tx) -> None:
    column = pa.array(["a", None, "bb", "ccc"]).slice(1)
    assert through(tx, "text", copy.text(column)) == [None, "bb", "ccc"]


def test_bytes(tx: Tx) -> None:
    values = [b"", None, b"\0\xff" * 3]
    back = through(tx, "bytea", copy.text(pa.array(values, pa.binary())))
    assert [None if v is None else bytes(v) for v in back] == values


def test_json(tx: Tx) -> None:
    values = [{"a": [1, 2.5, None]}, None, [], {"tên": "Đỗ"}]
    texts = pa.array([None if v is None else json.dumps(v) for v in values], pa.string())
    assert through(tx, "jsonb", copy.jsonb(texts)) == values


def test_one_value_for_all(tx: Tx) -> None:
    chosen = new_id()
    assert through(tx, "uuid", copy.constant(chosen.bytes, 3)) == [chosen] * 3


def test_shapes_take_the_zone_of_the_column(tx: Tx) -> None:
    shapes = [shapely.box(0, 0, 1, 1), None, shapely.MultiPolygon([shapely.box(2, 2, 3, 3), shapely.box(5, 5, 6, 6)])]
    wkb = pa.array([None if s is None else shapely.to_wkb(s) for s in shapes], pa.binary())
    offsets, data = binary_parts(wkb.fill_null(b""))
    back = through(tx, "geometry(Geometry, 9209)", copy.geometry(offsets, data))
    assert back[1] is None
    told = tx.execute("SELECT ST_SRID(v), ST_AsText(v) FROM sent WHERE v IS NOT NULL ORDER BY n").all()
    assert [row[0] for row in told] == [9209, 9209]
    assert [
        shapely.from_wkt(row[1]).equals(shape) for row, shape in zip(told, (shapes[0], shapes[2]), strict=True)
    ] == [True, True]


def test_no_rows() -> None:
    assert copy.encode([copy.text(pa.array([], pa.string()))]) == b""


def test_columns_of_changing_width_keep_to_their_rows(tx: Tx) -> None:
    """Fixed and variable pieces in every order, nulls among them."""
    tx.execute("CREATE TEMP TABLE wide (a text, b integer, c bigint, d text, e numeric(14,1), f date) ON COMMIT DROP")
    rows = 257
    at = np.arange(rows)
    body = copy.encode(
        [
            copy.text(pa.array([None if i % 3 == 0 else "x" * i for i in range(rows)])),
            copy.int4(at, at % 5 != 0),
            copy.int8(at * 1000),
            copy.text(pa.array([str(i) for i in range(rows)])),
            copy.numeric1(np.where(at % 7 == 0, np.nan, at / 4)),
            copy.date(pa.array([dt.date(2000, 1, 1) + dt.timedelta(i) for i in range(rows)])),
        ]
    )
    tx.copy("COPY wide FROM STDIN (FORMAT binary)", [copy.HEADER, body, copy.TRAILER])
    for i, row in enumerate(tx.execute("SELECT * FROM wide ORDER BY c")):
        assert row.a == (None if i % 3 == 0 else "x" * i)
        assert (row.b, row.c, row.d) == (None if i % 5 == 0 else i, i * 1000, str(i))
        assert row.e == (None if i % 7 == 0 else Decimal(i * 25 // 10 + (i * 25 % 10 >= 5)) / 10)
        assert row.f == dt.date(2000, 1, 1) + dt.timedelta(i)

"""Procedures as anybody reads them."""

from __future__ import annotations

import io
from pathlib import Path

import openpyxl

from landdb.db.transaction import Database
from tests.api.access_office import app_on, browser


def test_anybody_reads_the_procedures_of_a_day(database: Database, tmp_path: Path) -> None:
    client = browser(app_on(database, tmp_path))
    found = client.get("/v1/procedures").json()["procedures"]
    codes = [each["code"] for each in found]
    assert {"1.012784", "local.transfer"} <= set(codes)
    assert codes == sorted(codes)
    one = client.get("/v1/procedures/1.012784").json()
    assert (one["limit_working_hours"], one["set_by_office"]) == (120, False)
    assert "NĐ 101/2024" in one["limit_source"]
    local = client.get("/v1/procedures/local.transfer", headers={"Accept-Language": "en"}).json()
    assert local["set_by_office"] is True
    stages = {stage["stage"] for stage in local["stages"]}
    assert {step["to_stage"] for step in local["steps"]} <= stages
    assert {"received", "ready", "closed"} <= stages
    assert "Take up" in {step["name"] for step in local["steps"]}
    assert next(paper for paper in local["papers"] if paper["doc_type"] == "GCN")["required"]
    book = openpyxl.load_workbook(io.BytesIO(client.get("/v1/procedures?format=xlsx").content)).active
    assert len(list(book.values)) == len(found) + 1  # type: ignore[union-attr]


def test_what_is_no_procedure_of_the_day(database: Database, tmp_path: Path) -> None:
    client = browser(app_on(database, tmp_path))
    unknown = client.get("/v1/procedures/1.999999")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "procedure.unknown")
    assert client.get("/v1/procedures?on=soon").status_code == 422
    assert client.get("/v1/procedures?onn=2026-01-01").json()["code"] == "request.unknown_parameter"

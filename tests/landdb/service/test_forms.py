"""The bundled forms hold together, and every kind of wrong answer is told at its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import landdb.service
from landdb.db.transaction import Tx
from landdb.messages import LANGUAGES, catalogue
from landdb.reference.store import list_procedures
from landdb.service import check_answers as checking
from landdb.service import store
from landdb.service.check_answers import check_answers
from landdb.service.model import FormUnknown, FormVersion

FILES = sorted((Path(landdb.service.__file__).parent / "data").glob("*.json"))
SOUND: dict[str, Any] = {
    "holder": {
        "name": "Trần Thị Hoa",
        "identity_no": "000190000001",
        "address": "ấp Đại Chí, xã Thử Nghiệm",
        "phone": "0912345678",
    },
    "land": {"commune_code": "98001", "sheet_no": "12", "parcel_no": "1"},
    "change": {"kind": "DT", "content": "Đổi số chứng minh nhân dân sang số định danh."},
    "declaration": True,
}


@pytest.fixture
def form(tx: Tx) -> FormVersion:
    return store.get_form(tx, "local.change", tx.today)


def without(pointer: str) -> dict[str, Any]:
    """Sound answers but for one."""
    return having(pointer, ...)


def having(pointer: str, value: Any) -> dict[str, Any]:
    answers = copy.deepcopy(SOUND)
    *groups, name = pointer.strip("/").split("/")
    place = answers
    for group in groups:
        place = place.setdefault(group, {})
    if value is ...:
        del place[name]
    else:
        place[name] = value
    return answers


def told(form: FormVersion, answers: Any) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.rule.removeprefix("service.field.")) for fault in check_answers(form, answers)]


# ── the data ────────────────────────────────────────────────────────────────────────────────────────────────────────


def leaves(schema: Mapping[str, Any], pointer: str = "") -> Iterator[str]:
    """Pointers of everything that a schema lets a person answer."""
    if schema.get("type") != "object":
        yield pointer
        return
    for name, inner in schema["properties"].items():
        yield from leaves(inner, f"{pointer}/{name}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_schema_and_layout_name_the_same_fields(path: Path) -> None:
    said = json.loads(path.read_text("utf-8"))
    Draft202012Validator.check_schema(said["schema"])
    pointers = [field["pointer"] for section in said["layout"]["sections"] for field in section["fields"]]
    assert sorted(pointers) == sorted(leaves(said["schema"]))
    assert len(pointers) == len(set(pointers))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_layout_speaks_both_languages_and_marks_what_nobody_has_verified(path: Path) -> None:
    layout = json.loads(path.read_text("utf-8"))["layout"]
    fields = [field for section in layout["sections"] for field in section["fields"]]
    spoken = [layout["title"], layout["paper_form"], *(section["title"] for section in layout["sections"])]
    spoken += [field[name] for field in fields for name in ("label", "help", "shape") if name in field]
    spoken += [option["label"] for field in fields for option in field.get("options", ())]
    assert [words for words in spoken if set(words) != set(LANGUAGES) or not all(words.values())] == []
    assert [field["pointer"] for field in fields if not isinstance(field.get("verified"), bool)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_options_are_the_schemas_and_lead_to_procedures_that_exist(path: Path, tx: Tx) -> None:
    said = json.loads(path.read_text("utf-8"))
    kinds = said["schema"]["properties"]["change"]["properties"]["kind"]["enum"]
    (field,) = [f for s in said["layout"]["sections"] for f in s["fields"] if f["pointer"] == "/change/kind"]
    assert sorted(option["value"] for option in field["options"]) == sorted(kinds)
    known = {procedure.code for procedure in list_procedures(tx, tx.today)}
    named = {option["procedure"] for option in field["options"] if "procedure" in option}
    assert named | {said["procedure_code"]} == set(said["layout"]["procedures"])
    assert named | {said["procedure_code"]} <= known


def test_set_up_loads_every_bundled_form(tx: Tx) -> None:
    loaded = {(form.form_code, form.version_no) for form in store.list_forms(tx, tx.today)}
    assert loaded == {(f["form_code"], f["version_no"]) for f in (json.loads(p.read_text("utf-8")) for p in FILES)}


def test_one_form_serves_several_procedures_from_its_first_day_on(tx: Tx) -> None:
    assert store.get_form(tx, "local.transfer", tx.today) == store.get_form(tx, "local.change", tx.today)
    for procedure, on in (
        ("local.change", date(2025, 6, 30)),
        ("local.mortgage", tx.today),
        ("' OR true --", tx.today),
    ):
        with pytest.raises(FormUnknown):
            store.get_form(tx, procedure, on)


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sound_answers(form: FormVersion) -> None:
    assert told(form, SOUND) == []
    whole = having("/proxy", {"name": "Lê Văn Ba", "identity_no": "000190000002"})
    whole["papers"] = ["Hợp đồng chuyển nhượng", "Giấy chứng nhận"]
    whole["holder"] |= {"born_on": "1990-05-21", "email": "hoa@thu.vn"}
    assert told(form, whole) == []


@pytest.mark.parametrize(
    ("pointer", "value", "rule"),
    [
        ("/holder/name", ..., "required"),
        ("/holder/name", "", "required"),
        ("/holder/name", "   ", "shape"),
        ("/holder/name", "A" * 301, "too_long"),
        ("/holder/name", 5, "wrong"),
        ("/holder/identity_no", "12345", "shape"),
        ("/holder/identity_no", "00019000000１", "shape"),  # a full-width digit
        ("/holder/phone", "912345678", "shape"),
        ("/holder/born_on", "1990-02-30", "shape"),
        ("/holder/born_on", "19900221", "shape"),
        ("/holder/born_on", "0990-02-21", "shape"),
        ("/holder/email", "hoa", "shape"),
        ("/land/commune_code", ..., "required"),
        ("/land/commune_code", "9800", "shape"),
        ("/land/parcel_id", "không phải mã", "shape"),
        ("/land/certificate_serial", "ABC 1", "shape"),
        ("/change/kind", "??", "choice"),
        ("/change/content", "ngắn", "too_short"),
        ("/declaration", False, "required"),
        ("/declaration", ..., "required"),
        ("/papers", ["a", "a"], "twice"),
        ("/papers", [str(n) for n in range(31)], "too_many"),
        ("/papers", "một dòng", "wrong"),
        ("/holder/religion", "không hỏi", "unknown"),
    ],
)
def test_each_wrong_answer_is_told_at_its_place(form: FormVersion, pointer: str, value: Any, rule: str) -> None:
    assert told(form, having(pointer, value)) == [(pointer, rule)]


def test_an_item_of_a_list_belongs_to_its_field(form: FormVersion) -> None:
    (fault,) = check_answers(form, having("/papers", ["Giấy chứng nhận", ""]))
    assert fault.pointer == "/papers/1"
    assert form.field(fault.pointer) == form.field("/papers")


def test_nothing_at_all_is_told_by_fields_in_the_order_of_the_form(form: FormVersion) -> None:
    """A person fills in fields, not groups."""
    assert told(form, {}) == [
        (pointer, "required")
        for pointer in (
            "/holder/name",
            "/holder/identity_no",
            "/holder/address",
            "/holder/phone",
            "/land/commune_code",
            "/change/kind",
            "/change/content",
            "/declaration",
        )
    ]


def test_a_proxy_is_whole_or_not_there(form: FormVersion) -> None:
    assert told(form, having("/proxy", {"phone": "0912345678"})) == [
        ("/proxy/name", "required"),
        ("/proxy/identity_no", "required"),
    ]


@pytest.mark.parametrize("answers", [[], "đơn", None, 1])
def test_what_is_no_form_is_refused_as_a_whole(form: FormVersion, answers: Any) -> None:
    assert told(form, answers) == [("", "wrong")]


def test_no_fault_repeats_what_was_written(form: FormVersion) -> None:
    answers = having("/holder/identity_no", "bí mật của tôi")
    assert "bí mật" not in str(check_answers(form, answers))


def test_a_flood_of_unknown_members_is_cut(form: FormVersion) -> None:
    assert len(check_answers(form, SOUND | {f"x{n}": n for n in range(5000)})) <= checking.MOST_FAULTS


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_has_its_sentence(language: Any) -> None:
    rules = {*checking._RULES.values(), "service.field.wrong"}
    assert rules <= catalogue(language).keys()

"""Check the answers of a form against its version: every fault at once, each with its place, none with what was written."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from landdb.service.model import FieldFault, FormVersion

FORMATS: Final = FormatChecker(formats=("email", "uuid"))
MOST_FAULTS: Final = 100


@FORMATS.checks("date", raises=ValueError)
def _is_day(value: object) -> bool:
    """A day as a form writes it: 2026-11-21, within a person's reach."""
    if not isinstance(value, str):
        return True
    return len(value) == len("2026-11-21") and dt.date(1850, 1, 1) <= dt.date.fromisoformat(value) <= dt.date(
        2150, 1, 1
    )


_RULES: Final[Mapping[str, str]] = {
    "required": "service.field.required",
    "const": "service.field.required",
    "additionalProperties": "service.field.unknown",
    "minLength": "service.field.too_short",
    "maxLength": "service.field.too_long",
    "pattern": "service.field.shape",
    "format": "service.field.shape",
    "enum": "service.field.choice",
    "maxItems": "service.field.too_many",
    "uniqueItems": "service.field.twice",
}


def check_answers(form: FormVersion, answers: Any) -> list[FieldFault]:
    """What is wrong, in the order of the form; empty if nothing is."""
    found: dict[str, FieldFault] = {}
    for error in _validator(json.dumps(form.schema)).iter_errors(answers):
        for fault in _faults(error):
            found.setdefault(fault.pointer, fault)  # one sentence a field: the first to be mended
    places = {field["pointer"]: place for place, field in enumerate(form.fields())}
    told = sorted(found.values(), key=lambda fault: places.get(_field_pointer(form, fault.pointer), len(places)))
    return told[:MOST_FAULTS]


def _field_pointer(form: FormVersion, pointer: str) -> str:
    field = form.field(pointer)
    return str(field["pointer"]) if field else ""


@lru_cache(maxsize=16)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), format_checker=FORMATS)


def _faults(error: ValidationError) -> Iterator[FieldFault]:
    pointer = "".join(f"/{step}" for step in error.absolute_path)
    said: Any = error.instance
    rule: Any = error.validator_value
    properties: Mapping[str, Any] = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
    if error.validator == "required":
        for name in rule:
            if name not in said:
                yield from _missing(f"{pointer}/{name}", properties.get(name, {}))
    elif error.validator == "additionalProperties":
        unknown = sorted(set(said) - set(properties))
        yield from (FieldFault(f"{pointer}/{name[:80]}", _RULES["additionalProperties"], {}) for name in unknown)
    elif said == "":
        yield FieldFault(pointer, _RULES["required"], {})
    else:
        limit = rule if isinstance(rule, int) else None
        yield FieldFault(pointer, _RULES.get(str(error.validator), "service.field.wrong"), {"limit": limit})


def _missing(pointer: str, schema: Mapping[str, Any]) -> Iterator[FieldFault]:
    """A missing group is told by each field that it cannot do without: people fill in fields, not groups."""
    required = schema.get("required") if schema.get("type") == "object" else None
    if not required:
        yield FieldFault(pointer, _RULES["required"], {})
        return
    yield from (FieldFault(f"{pointer}/{each}", _RULES["required"], {}) for each in required)

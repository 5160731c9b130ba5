"""The description of the interface (OpenAPI 3.1): how to sign in, what each route needs, how it refuses."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from landdb.access.permissions import PUBLIC

DESCRIPTION: Final = """Cơ sở dữ liệu đất đai của văn phòng đăng ký đất đai. / The land database of a land-registration office.

* Bearer token: `POST /v1/tokens`, or a service key (`lk_…`) itself as `Authorization: Bearer`.
* Every refusal is `application/problem+json` (RFC 9457) with a stable `code`; text in Vietnamese or English by
  `Accept-Language`.
* State-changing calls take an `Idempotency-Key`: the same call sent twice happens once. Calls on dossiers and hand-overs
  must carry one; under it a refusal is kept too, so that a retry hears the same.
* `x-permission` of an operation names what the caller must hold.
"""

PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "examples": ["/problems/parcel.unknown"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what happened, to which thing, and what to do next"},
        "action": {"type": "string", "description": "what to do next, alone"},
        "code": {"type": "string", "description": "stable; programs read this one"},
        "instance": {"type": "string"},
        "params": {"type": "object", "description": "the facts in the text, for programs"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("in", "field", "code", "title", "detail")},
            },
        },
    },
}


def describe(app: FastAPI) -> None:
    """Let the application describe itself in our words."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, openapi_version="3.1.0"
    )
    parts = schema.setdefault("components", {})
    parts.setdefault("schemas", {})["Problem"] = PROBLEM
    parts["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "a short token, or a service key"},
        "session": {"type": "apiKey", "in": "cookie", "name": "landdb_session"},
    }
    for operations in schema.get("paths", {}).values():
        for method, operation in operations.items():
            _complete(method, operation)
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form of refusal, which we never send
        parts["schemas"].pop(name, None)
    return schema


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Add to one operation how it refuses and what it needs."""
    answers = operation.setdefault("responses", {})
    answers.pop("422", None)
    answers["default"] = {
        "description": "Từ chối / refusal",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for ours in ("x-query", "x-takes-files"):
        operation.pop(ours, None)
    once = operation.pop("x-idempotent", True)
    required = operation.pop("x-key-required", False)
    operation.pop("x-public-keys", None)
    if operation.get("x-permission") not in PUBLIC:
        operation["security"] = [{"bearer": []}, {"session": []}]
    if method in {"post", "put", "patch", "delete"} and once:
        operation.setdefault("parameters", []).append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": required,
                "schema": {"type": "string", "minLength": 8, "maxLength": 128},
                "description": "the same call under the same key happens once",
            }
        )

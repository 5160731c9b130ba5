"""The meanings a refusal can have. Packages derive their errors from these; faces turn them into status or exit codes.

An error carries a stable dotted ``code`` and named ``params``: no text (``messages/`` holds it) and no status
(``api/problems.py`` and ``ops/cli.py`` hold those), so a refusal reads the same on a page, a terminal and to a service.

    LandError
    ├── Malformed            the request cannot be read (syntax, unknown parameter)
    ├── Invalid              readable, but cannot be right whatever the state
    ├── Unauthenticated      nobody known is asking
    ├── Forbidden            known, and never theirs to do
    ├── NotFound             not there, or not for you
    ├── Conflict             not in this state
    │   └── Stale            changed since you read it (If-Match)
    ├── TooLarge · UnsupportedFormat · RateLimited
    └── Unavailable          try later
        └── StorageFull
"""

from __future__ import annotations

from typing import Any, ClassVar


class LandError(Exception):
    """A refusal with a stable code and the facts a person needs to act on it."""

    code: ClassVar[str] = "internal"

    def __init__(self, **params: Any) -> None:
        super().__init__(f"{self.code} {params}" if params else self.code)
        self.params = params


class Malformed(LandError):
    code = "request.malformed"


class Invalid(LandError):
    code = "request.invalid"


class Unauthenticated(LandError):
    code = "access.unauthenticated"


class Forbidden(LandError):
    code = "access.forbidden"


class NotFound(LandError):
    code = "request.not_found"


class Conflict(LandError):
    code = "request.conflict"


class Stale(Conflict):
    code = "request.stale"


class TooLarge(LandError):
    code = "request.too_large"


class UnsupportedFormat(LandError):
    code = "file.unsupported_format"


class RateLimited(LandError):
    code = "request.rate_limited"


class Unavailable(LandError):
    code = "service.unavailable"


class StorageFull(Unavailable):
    code = "service.storage_full"

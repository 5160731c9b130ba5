"""Messages that leave for an office, a node or a partner. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

NO_HEAD = bytes(32)
"""The head of a link on which nothing was sent yet."""


@dataclass(frozen=True)
class Envelope:
    """One message for one link. ``body`` is canonical JSON (RFC 8785); ``event_no`` is the event that it tells of.

    ``epoch`` and ``handover_id`` bind a message about custody to the very attempt (custody.md, R4).
    """

    link: str
    kind: str
    body: bytes
    dossier_id: UUID | None = None
    event_no: int | None = None
    epoch: int | None = None
    handover_id: UUID | None = None


@dataclass(frozen=True)
class Posted:
    """A row of the outbox as its reader sees it."""

    link: str
    seq: int
    message_id: UUID
    kind: str
    body: bytes
    body_sha256: bytes
    prev_hash: bytes
    dossier_id: UUID | None
    event_no: int | None
    epoch: int | None
    handover_id: UUID | None


def office_link(office_id: int) -> str:
    """The name of the link to an office."""
    return f"office:{office_id}"


PORTAL = "portal"
"""The name of the link to the public portal."""

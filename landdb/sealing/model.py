"""Public keys, seals and checkpoints as records, and how sealing can be refused. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from landdb.errors import Invalid, NotFound, Unavailable

OVERLAP: Final = dt.timedelta(hours=1)
"""How far the validity of a key reaches back before its first use, and how long the one before stays good: transactions that
began earlier, and processes that still run with the secret file as it was."""


@dataclass(frozen=True)
class PublicKey:
    """What a stranger needs to check a seal. ``office_id`` null: the register itself; ``not_after`` null: in use."""

    kid: str
    office_id: int | None
    alg: str
    jwk: dict[str, Any]
    not_before: dt.datetime
    not_after: dt.datetime | None
    revoked_at: dt.datetime | None

    def good_at(self, at: dt.datetime) -> bool:
        """Whether a seal made at ``at`` counts; one made before a revocation stays good."""
        ends = [end for end in (self.not_after, self.revoked_at) if end is not None]
        return self.not_before <= at and all(at < end for end in ends)


@dataclass(frozen=True)
class Checkpoint:
    """The root over events in no earlier checkpoint, linked to the root before and sealed by the register."""

    checkpoint_no: int
    event_count: int
    root: bytes
    prev_root: bytes
    signed_at: dt.datetime
    kid: str
    jws: str


@dataclass(frozen=True)
class Leaf:
    """An event on its way into a checkpoint."""

    dossier_id: UUID
    event_no: int
    hash: bytes


@dataclass(frozen=True)
class CoveredEvent:
    """An event that a checkpoint covers, at its place in the tree; ``hash`` null: it is not there any more."""

    leaf_no: int
    dossier_id: UUID
    event_no: int
    hash: bytes | None


@dataclass(frozen=True)
class Inclusion:
    """The proof that an event is under a checkpoint: place, size of the tree, and the hashes beside its way up."""

    checkpoint: Checkpoint
    leaf_no: int
    path: tuple[bytes, ...]


class NotCanonical(Invalid):
    """No canonical bytes exist for it: a fraction, a date that is no text, a number too large. Params: ``place``, ``kind``."""

    code = "sealing.not_canonical"


class SigningKeyUnknown(NotFound):
    """Params: ``kid``."""

    code = "sealing.key_unknown"


class SigningKeyOver(Unavailable):
    """It was revoked, or a newer one took its place; nothing is sealed with it any more. Params: ``kid``, ``since``."""

    code = "sealing.key_over"


class SigningKeyOther(Unavailable):
    """The secret file does not belong to the published key: a wrong file, or the register of somebody else. Params: ``kid``."""

    code = "sealing.key_other"

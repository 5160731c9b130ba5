"""What the citizen is told, and how it leaves (thông báo cho người dân): kept with the dossier first, sent after.

A text names the dossier by its code and nobody by name or number. A channel that refuses changes nothing else: the text waits.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from landdb.config import Settings
from landdb.db.transaction import VIETNAM, Tx, new_id
from landdb.dossier import store
from landdb.dossier.model import Dossier, Notice
from landdb.errors import LandError
from landdb.messages import message

_AT_ONCE: Final = 200


class NoticeSink(Protocol):
    """A channel to the citizen: a text message, the portal, a letter."""

    def send(self, notice: Notice) -> None:
        """Send one text. Raises: ``LandError`` where the channel does not take it; it is tried again."""


class DemoSink:
    """Takes every text and sends none: in a demo they are read on the dossier's page."""

    def send(self, notice: Notice) -> None:
        """Nothing leaves."""


def sink_of(settings: Settings) -> NoticeSink | None:
    """The channel of this installation; null: it has none, and texts wait, for the demo's would call sent what never left."""
    return DemoSink() if settings.env == "demo" else None


def tell(tx: Tx, dossier: Dossier, kind: str, **facts: Any) -> Notice:
    """Keep a text for the citizen; it is sent when the transaction has been committed. Its words: ``notice.<kind>``."""
    due = "–" if dossier.due_at is None else dossier.due_at.astimezone(VIETNAM).strftime("%H:%M %d/%m/%Y")
    words = message(f"notice.{kind}", {"code": dossier.code, "due": due, **facts}, "vi")
    body = "\n".join(part for part in (words.title, words.detail, words.action) if part)
    notice = Notice(new_id(), dossier.dossier_id, kind, "vi", body, tx.now, None, None)
    store.add_notice(tx, notice)
    return notice


def deliver(tx: Tx, sink: NoticeSink) -> int:
    """Send the texts that wait, the oldest first; how many left."""
    sent = 0
    for notice in store.lock_waiting_notices(tx, _AT_ONCE):
        try:
            sink.send(notice)
        except LandError as refusal:
            store.set_notice(tx, notice.notice_id, sent_at=None, failure=refusal.code)
        else:
            store.set_notice(tx, notice.notice_id, sent_at=tx.now, failure=None)
            sent += 1
    return sent

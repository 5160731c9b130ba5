"""Issue a one-time code with which a person sets a new password (cấp lại mật khẩu).

A closed network has no mail server: the administrator hands the code over in person or by telephone.
"""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from landdb.access import store
from landdb.access.model import RESET_LIFETIME, StaffUnknown, hash_of, new_reset_code, reset_code_read
from landdb.db.transaction import Tx


def issue_password_reset(tx: Tx, staff_id: UUID) -> tuple[str, dt.datetime]:
    """A code, shown once, and when it ends; earlier codes of the person end now. Raises: ``StaffUnknown``."""
    person = store.get_staff(tx, staff_id)
    if person is None or not person.active:
        raise StaffUnknown(staff=str(staff_id))
    code, expires_at = new_reset_code(), tx.now + RESET_LIFETIME
    store.add_reset(tx, staff_id, hash_of(reset_code_read(code)), expires_at)
    store.add_event(tx, "reset_issued", staff_id=staff_id)
    return code, expires_at

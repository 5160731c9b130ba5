"""The one map of who may do what: permissions, the roles that bundle them, and what is open to everybody.

A route names one permission of ``PERMISSIONS``; nothing else decides. Labels for people stand in ``messages``
under ``permission.<name>`` and ``role.<name>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from landdb.db.transaction import Actor

ANYTHING: Final = "*"
"""Held by the system itself only; no role and no key may hold it."""

PUBLIC: Final = frozenset(
    {
        "parcel:read",  # geometry, references, land use, area: what the public map shows
        "page:public",  # the look-up and map pages, sign-in and reset forms
        "session:open",  # to sign in one must not be signed in yet
        "service:status",  # health and metrics: counts and times, nothing of the register
        "service:docs",  # the description of this very interface
        "service:form",  # procedures and forms, sending one in, public status by code and a second fact
    }
)
"""What anybody may do without signing in (decisions.md §9). The list stands here and nowhere else."""

SIGNED_IN: Final = frozenset({"session:own"})
"""What every member of staff may do for themselves: sign out, change the password, read their own account."""

KEY_PERMISSIONS: Final = frozenset(
    {
        "parcel:card",
        "import:submit",
        "import:read",
        "import:mend",
        "import:approve",
        "import:undo",
        "export:run",
        "dossier:read",
        "dossier:receive",
    }
)
"""What a service key may be given; the administration of accounts always needs a person."""

ADMINISTRATION: Final = frozenset(
    {"admin:read", "admin:staff", "admin:offices", "admin:keys", "admin:holidays", "reference:load"}
)

DUTIES: Final = frozenset({"dossier:receive", "dossier:work", "dossier:sign", "dossier:tax", "dossier:return"})
"""What a step of a procedure may take (``procedure_step.duty``)."""

DOSSIERS: Final = DUTIES | {"dossier:read", "dossier:handover", "dossier:assign", "dossier:oversee", "dossier:force"}

PERMISSIONS: Final = PUBLIC | SIGNED_IN | KEY_PERMISSIONS | ADMINISTRATION | DOSSIERS

_OFFICER: Final = frozenset({"dossier:read", "dossier:work", "dossier:handover"})
_REGISTRAR: Final = frozenset({"parcel:card", "import:read", "import:approve", "import:undo", "export:run"}) | _OFFICER

ROLES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "survey_officer": frozenset({"import:submit", "import:read", "import:mend"}),
        "registrar": _REGISTRAR,
        "branch_head": _REGISTRAR | {"import:mend", "dossier:assign", "dossier:sign"},
        "land_officer": frozenset({"parcel:card"}) | _OFFICER,
        "desk_officer": frozenset(
            {"parcel:card", "dossier:read", "dossier:receive", "dossier:work", "dossier:return", "dossier:handover"}
        ),
        "commune_leader": frozenset({"dossier:read", "dossier:sign", "dossier:assign", "dossier:handover"}),
        "tax_officer": frozenset({"dossier:read", "dossier:tax", "dossier:handover"}),
        "supervisor": frozenset({"dossier:read", "dossier:oversee", "dossier:force"}),
        # Separation of duties: who runs the machine reads neither holders nor dossiers (security.md §1).
        "sysadmin": ADMINISTRATION,
        "auditor": frozenset({"import:read", "admin:read"}),
    }
)


def permissions_of(roles: frozenset[str]) -> frozenset[str]:
    """All that a person with these roles may do. An unknown role (of a later release) gives nothing."""
    return SIGNED_IN.union(*(ROLES.get(role, frozenset()) for role in roles))


def allows(actor: Actor, permission: str) -> bool:
    """Whether the actor may do this. Unknown permissions are refused to all but the system."""
    return permission in PUBLIC or permission in actor.permissions or ANYTHING in actor.permissions

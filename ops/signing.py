"""``landdb keys``: publish the keys of seals for those who check receipts, and revoke a key that was lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from landdb.db.transaction import SYSTEM
from landdb.messages import message
from landdb.sealing.signing_keys import key_set, published, revoke
from ops.output import Json, emit, language
from ops.session import open_database

keys_app = typer.Typer(no_args_is_help=True, help="Keys of seals.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(keys_app, name="keys")


@keys_app.command("publish")
def publish_command(
    out: Annotated[Path, typer.Argument(help="the JSON file to write")], json_mode: Json = False
) -> None:
    """Write every public key with its validity as a JSON Web Key Set: what a stranger needs to check receipts."""
    with open_database() as database, database.begin() as tx:
        keys = key_set(published(tx))
    out.write_text(json.dumps(keys, ensure_ascii=False, indent=2) + "\n", "utf-8")
    facts = {"file": str(out), "count": len(keys["keys"])}
    emit(json_mode, facts, [message("keys.published", facts, language()).title])


@keys_app.command("revoke")
def revoke_command(kid: Annotated[str, typer.Argument(help="as in the published keys")]) -> None:
    """From now on nothing sealed with this key counts; what was sealed before does."""
    with open_database() as database, database.begin(SYSTEM) as tx:
        revoke(tx, kid)
    emit(False, {}, [message("keys.revoked", {"kid": kid}, language()).title])

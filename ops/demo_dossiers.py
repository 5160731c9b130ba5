"""Dossiers of the made-up province, taken in and moved by the same verbs that desks and branches use.

Some are backdated, so that boxes of late work have something to show; nothing else is different about them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from landdb.access.permissions import permissions_of
from landdb.db.transaction import SYSTEM, Actor, Database, Tx
from landdb.dossier.accept import accept
from landdb.dossier.assign import assign
from landdb.dossier.offer import offer
from landdb.dossier.receive import Application, PaperGiven, Person, receive
from landdb.dossier.take_step import take_step
from landdb.sealing.keys import Keys
from landdb.views import workload

DESK, REGISTRAR, HEAD, TAX = "motcua", "duyet", "lanhdao", "thue"


@dataclass(frozen=True)
class Scene:
    """One dossier: what it asks for, how many days ago it came, and what has been done with it since.

    An act is ``hand OFFICE``, ``take`` (the office it was handed to accepts), ``mine`` (onto the actor's desk), or a step of its
    procedure, with a reason where it needs one; each by the account named before the colon.
    """

    procedure: str
    applicant: str
    days_ago: int
    papers: Sequence[str]
    acts: Sequence[str] = ()
    proxy: str | None = None


TO_BRANCH: Final = (f"{DESK}:hand branch", f"{REGISTRAR}:take")
TAKEN_UP: Final = (*TO_BRANCH, f"{REGISTRAR}:take_up")
CHANGE: Final = ("DDKBD", "GCN")

SCENES: Final = (
    Scene("local.transfer", "Lê Văn Lúa", 0, CHANGE),
    Scene("local.transfer", "Trần Thị Rạch", 0, (*CHANGE, "HDCQ"), proxy="Trần Văn Kênh"),
    Scene("1.012783", "Phạm Văn Đước", 0, ("DXCD", "GCN"), (f"{DESK}:hand branch",)),
    Scene("1.012784", "Nguyễn Thị Tràm", 1, ("DXTHT", "GCN"), (f"{DESK}:hand branch",)),
    Scene("local.change", "Huỳnh Văn Mía", 1, CHANGE, (f"{DESK}:hand branch",)),
    Scene("1.012784", "Võ Thị Sen", 3, ("DXTHT", "GCN", "HSKT"), TAKEN_UP),
    Scene("local.transfer", "Đỗ Văn Bần", 5, CHANGE, (*TAKEN_UP, f"{REGISTRAR}:send_to_tax",
                                                     f"{REGISTRAR}:hand tax", f"{TAX}:take")),
    Scene("local.transfer", "Bùi Thị Cau", 6, CHANGE, (*TAKEN_UP,
                                                      f"{REGISTRAR}:ask_supplement papers_unreadable")),
    Scene("local.transfer", "Dương Văn Dừa", 13, CHANGE, (*TAKEN_UP, f"{REGISTRAR}:submit_for_signature")),
    Scene("1.012783", "Lý Thị Bưởi", 12, ("DXCD", "GCN"), TAKEN_UP),
    Scene("1.012786", "Hồ Văn Gáo", 20, ("DDKBD", "DCK"), TO_BRANCH),
    Scene("1.012783", "Ngô Thị Quýt", 8, ("DXCD", "GCN"), (*TAKEN_UP, f"{REGISTRAR}:refuse in_dispute")),
)  # fmt: skip


@dataclass(frozen=True)
class Cast:
    """Who acts, by account; which office is called what."""

    actors: Mapping[str, Actor]
    offices: Mapping[str, int]


def cast(
    staff: Mapping[str, UUID],
    office_of: Mapping[str, str],
    roles_of: Mapping[str, Sequence[str]],
    offices: Mapping[str, int],
) -> Cast:
    """The actors as sign-in would make them."""
    actors = {
        login: Actor(
            "staff",
            staff_id,
            office_id=offices[office_of[login]],
            permissions=permissions_of(frozenset(roles_of[login])),
        )
        for login, staff_id in staff.items()
    }
    return Cast(actors, offices)


def load_dossiers(database: Database, keys: Keys, players: Cast, parcels: Sequence[UUID]) -> None:
    """Play the scenes, each on a parcel of its own, in the order of time: all of them, or none where a dossier stands already."""
    played = [Played(scene, parcel_id) for scene, parcel_id in zip(SCENES, parcels, strict=False)]
    with database.begin(SYSTEM) as tx:
        if workload.boxes(tx, None, None)["all-known"]:
            return
        for ago, one, act in sorted(_schedule(played), key=lambda step: step[0], reverse=True):
            login, _, said = act.partition(":")
            _do(replace(tx, now=tx.now - ago, actor=players.actors[login]), keys, players, one, said)


@dataclass
class Played:
    """A scene under way."""

    scene: Scene
    parcel_id: UUID
    dossier_id: UUID | None = None
    handover_id: UUID | None = None


def _schedule(played: Sequence[Played]) -> Iterator[tuple[dt.timedelta, Played, str]]:
    """How long ago each act was: evenly from the day on which the dossier came until now."""
    for number, one in enumerate(played):
        came = dt.timedelta(days=one.scene.days_ago, minutes=len(played) - number)
        acts = (f"{DESK}:receive", *one.scene.acts)
        yield from ((came * (len(acts) - place) / len(acts), one, act) for place, act in enumerate(acts))


def _do(tx: Tx, keys: Keys, players: Cast, one: Played, said: str) -> None:
    verb, _, word = said.partition(" ")
    if one.dossier_id is None:
        one.dossier_id = receive(tx, keys, _application(one), accept_incomplete=True).dossier.dossier_id
    elif verb == "hand":
        made = offer(tx, keys, [one.dossier_id], players.offices[word])[0].handover
        one.handover_id = made.handover_id if made else None
    elif verb == "take" and one.handover_id is not None:
        accept(tx, keys, one.handover_id)
    elif verb == "mine":
        assign(tx, one.dossier_id, tx.actor.staff_id)
    else:
        take_step(tx, keys, one.dossier_id, verb, reason=word or None)


def _application(one: Played) -> Application:
    scene = one.scene
    return Application(
        scene.procedure,
        Person(scene.applicant, phone="0900000000"),
        proxy=Person(scene.proxy) if scene.proxy else None,
        parcel_id=one.parcel_id,
        papers=[PaperGiven(each) for each in scene.papers],
        paper_place="Tủ 1",
    )

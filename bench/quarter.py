"""A quarter of a province: 83,798 events through 900 open dossiers, by the product's own verbs, nothing lost.

    .venv/bin/python bench/quarter.py

Each core has a process with its share of the dossiers. A dossier is received at a desk, handed to a branch, worked on
(supplements, tax, payment, inspection, signature, notes), its result is returned by the desk, and a new one takes its place: 900
are always open. What may be done next is read from the procedure's own table. Every act is a durable transaction of its own, by
somebody whose duty it is. Offices are shared by all processes, so their counters and links are contended as in a province.

Each process counts what the verbs answered; at the end the register must hold exactly that: dossiers, events, messages,
hand-overs. Then every invariant and every chain is verified, under checkpoints. Prints the minutes; exits 4 and says what is
missing, if anything.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.province import PROCEDURE, durability, durable_register, office, person, received, scanned
from landdb.config import Settings
from landdb.db.transaction import SYSTEM, Actor, Database, Tx, connect
from landdb.dossier.accept import accept
from landdb.dossier.model import CustodyState, Dossier, HandoverState
from landdb.dossier.note import add_note
from landdb.dossier.offer import offer
from landdb.dossier.recall import recall
from landdb.dossier.refuse import refuse
from landdb.dossier.store import get_dossier, get_open
from landdb.dossier.take_step import take_step
from landdb.reference.procedure import Procedure, ProcedureStep
from landdb.reference.store import get_procedure
from landdb.sealing.checkpoint import make_checkpoint
from landdb.sealing.keys import Keys, load_keys
from ops.verify import verify

EVENTS = 83_798
OPEN = 900
WEIGHTS = {"refuse": 0.02, "withdraw": 0.01, "ask_supplement": 0.4, "send_back": 0.1}
RESULT = "RESULT"
PAPERS = ("DDKBD", "GCN")


@dataclass(frozen=True)
class Office:
    """An office with the people who do its work; which of them has a duty is told by their permissions."""

    office_id: int
    kind: str
    people: tuple[Actor, ...]

    def who(self, duty: str) -> Actor | None:
        return next((one for one in self.people if duty in one.permissions), None)


@dataclass
class Tally:
    """What one process was answered."""

    received: int = 0
    closed: int = 0
    events: int = 0
    messages_of: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)


def fill(database: Database) -> list[Office]:
    """Twenty desks, eleven branches, two tax offices, and their people."""
    with database.begin(SYSTEM) as tx:
        made = [_office(tx, f"H94.16.{number}", "commune_desk", {"desk_officer"}) for number in range(20)]
        made += [_office(tx, f"CN{number}", "branch", {"registrar"}, {"branch_head"}) for number in range(11)]
        made += [_office(tx, f"TH{number}", "tax", {"tax_officer"}) for number in range(2)]
    return made


def _office(tx: Tx, code: str, kind: str, *people: set[str]) -> Office:
    office_id = office(tx, code, kind)
    return Office(
        office_id,
        kind,
        tuple(person(tx, f"{code}-{n}".lower(), office_id, *sorted(roles)) for n, roles in enumerate(people)),
    )


class Clerks:
    """All people of a province, as far as one process plays them."""

    def __init__(self, database: Database, keys: Keys, offices: list[Office], seed: int) -> None:
        self.database, self.keys = database, keys
        self.by_id = {each.office_id: each for each in offices}
        self.by_kind: dict[str, list[Office]] = {}
        for each in offices:
            self.by_kind.setdefault(each.kind, []).append(each)
        self.chance = random.Random(seed)
        self.tally = Tally()
        with database.begin(SYSTEM) as tx:
            self.procedure: Procedure = get_procedure(tx, PROCEDURE, tx.today)

    def play(self, dossiers: int, events: int) -> Tally:
        """Keep so many dossiers open until so many events were written, those of papers not counted."""
        open_ids = [self._receive() for _ in range(dossiers)]
        while self.tally.events - self.tally.acts["document_added"] < events:
            place = self.chance.randrange(len(open_ids))
            if self._act(open_ids[place]):
                self.tally.closed += 1
                open_ids[place] = self._receive()
        return self.tally

    def _receive(self) -> UUID:
        desk = self.chance.choice(self.by_kind["commune_desk"])
        with self.database.begin(desk.people[0]) as tx:
            dossier_id = received(tx, self.keys, self.tally.received)
            scanned(tx, dossier_id, PAPERS)
        self.tally.received += 1
        self._count("received", 1)
        self._count("document_added", len(PAPERS))
        return dossier_id

    def _count(self, act: str, events: int) -> None:
        self.tally.events += events
        self.tally.acts[act] += events

    def _act(self, dossier_id: UUID) -> bool:
        """The next thing that happens to a dossier; whether it is closed by that."""
        with self.database.begin(SYSTEM) as tx:
            dossier = get_dossier(tx, dossier_id)
            opened = get_open(tx, dossier)
        if dossier.custody_state is CustodyState.IN_TRANSIT:
            assert opened is not None
            return self._answer(opened.handover_id, opened.from_office_id, opened.to_office_id)
        holder = self.by_id[dossier.holder_office_id]
        steps = [
            s for s in self.procedure.steps_from(dossier.stage) if holder.kind in s.office_kinds and holder.who(s.duty)
        ]
        forward = [step for step in steps if step.action not in {"refuse", "withdraw", "ask_supplement", "send_back"}]
        if not forward or (dossier.stage == "at_tax" and holder.kind == "branch") or self._goes_home(dossier, holder):
            return self._hand_on(dossier, holder)
        if self.chance.random() < 0.1:
            return self._note(dossier, holder)
        (step,) = self.chance.choices(steps, [WEIGHTS.get(step.action, 1.0) for step in steps])
        return self._step(dossier, holder, step)

    def _goes_home(self, dossier: Dossier, holder: Office) -> bool:
        """The result is returned by the desk that took the dossier in."""
        return dossier.stage == "ready" and holder.office_id != dossier.intake_office_id

    def _hand_on(self, dossier: Dossier, holder: Office) -> bool:
        kinds = {kind for step in self.procedure.steps_from(dossier.stage) for kind in step.office_kinds}
        if dossier.stage == "at_tax" and holder.kind == "branch":
            kinds = {"tax"}
        elif dossier.stage == "ready":
            to = self.by_id[dossier.intake_office_id]
            return self._offer(dossier, holder, to)
        elif "branch" in kinds:
            kinds = {"branch"}
        others = [each for kind in sorted(kinds) for each in self.by_kind.get(kind, []) if each is not holder]
        return self._offer(dossier, holder, self.chance.choice(others))

    def _offer(self, dossier: Dossier, holder: Office, to: Office) -> bool:
        with self.database.begin(holder.people[0]) as tx:
            (done,) = offer(tx, self.keys, [dossier.dossier_id], to.office_id)
        assert done.handover is not None
        self._told("offered", 1)
        return False

    def _answer(self, handover_id: UUID, from_office: int, to_office: int) -> bool:
        sort = self.chance.random()
        if sort < 0.9:
            with self.database.begin(self.by_id[to_office].people[0]) as tx:
                assert accept(tx, self.keys, handover_id).state is HandoverState.ACCEPTED
            self._told("accepted", 2)
        elif sort < 0.96:
            with self.database.begin(self.by_id[to_office].people[0]) as tx:
                refuse(tx, self.keys, handover_id, "papers_missing")
            self._told("refused", 1)
        else:
            with self.database.begin(self.by_id[from_office].people[0]) as tx:
                recall(tx, self.keys, handover_id)
            self._told("recalled", 1)
        return False

    def _told(self, act: str, messages: int) -> None:
        self._count(act, 1)
        self.tally.messages_of["office"] += messages

    def _note(self, dossier: Dossier, holder: Office) -> bool:
        with self.database.begin(holder.people[0]) as tx:
            add_note(tx, dossier.dossier_id, "Đã gọi điện cho người nộp")
        self._count("noted", 1)
        return False

    def _step(self, dossier: Dossier, holder: Office, step: ProcedureStep) -> bool:
        by = holder.who(step.duty)
        assert by is not None
        with self.database.begin(by) as tx:
            papers = [RESULT] if RESULT in step.needs_papers else []
            scanned(tx, dossier.dossier_id, papers)
            reason = "papers_missing" if step.needs_reason else None
            after = take_step(
                tx,
                self.keys,
                dossier.dossier_id,
                step.action,
                reason=reason,
                expected_version=dossier.event_no + len(papers),
            )
        self._count("document_added", len(papers))
        self._count(step.action, after.event_no - dossier.event_no - len(papers))
        return after.closed_at is not None


def _play(said: tuple[str, str, list[Office], int, int, int]) -> Tally:
    """One process."""
    url, folder, offices, seed, dossiers, events = said
    database = connect(url, pool_size=1, application_name="landdb-bench")
    try:
        return Clerks(database, load_keys(Settings(data=Path(folder))), offices, seed).play(dossiers, events)
    finally:
        database.dispose()


def _shares(whole: int, parts: int) -> list[int]:
    return [whole // parts + (part < whole % parts) for part in range(parts)]


def missing(database: Database, tallies: list[Tally]) -> tuple[list[str], dict[str, Any]]:
    """What the register lacks, or has too much, of what was answered; and what it holds."""
    asked = {
        "dossiers": ("SELECT count(*) FROM dossier", sum(t.received for t in tallies)),
        "closed": ("SELECT count(*) FROM dossier WHERE closed_at IS NOT NULL", sum(t.closed for t in tallies)),
        "events": ("SELECT count(*) FROM dossier_event", sum(t.events for t in tallies)),
        "event_numbers": ("SELECT sum(event_no) FROM dossier", sum(t.events for t in tallies)),
        "messages_to_offices": (
            "SELECT count(*) FROM outbox WHERE handover_id IS NOT NULL", sum(t.messages_of["office"] for t in tallies)
        ),
        "messages_by_events": ("SELECT count(*) - (SELECT sum(messages) FROM dossier_event) FROM outbox", 0),
        "handovers": ("SELECT count(*) FROM handover", sum(t.acts["offered"] for t in tallies)),
        "accepted": ("SELECT count(*) FROM custody WHERE epoch > 1", sum(t.acts["accepted"] for t in tallies)),
    }  # fmt: skip
    held, wrong = {}, []
    with database.begin(SYSTEM) as tx:
        for name, (question, expected) in asked.items():
            held[name] = int(tx.execute(question).scalar_one() or 0)
            if held[name] != expected:
                wrong.append(f"{name}: {held[name]} there, {expected} answered")
    return wrong, held


def checkpoints(database: Database, keys: Keys) -> int:
    """Put every event under a checkpoint, as the worker does every ten minutes."""
    made = 0
    while True:
        with database.begin(SYSTEM) as tx:
            if make_checkpoint(tx, keys) is None:
                return made
        made += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--dossiers", type=int, default=OPEN, help="open at any time")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with durable_register("bench-quarter") as (server, folder):
        database, keys = connect(server.url), load_keys(Settings(data=folder))
        promised = durability(database)
        offices = fill(database)
        database.dispose()
        parts = zip(_shares(asked.dossiers, asked.processes), _shares(asked.events, asked.processes), strict=True)
        said = [
            (server.url, str(folder), offices, asked.seed + number, dossiers, events)
            for number, (dossiers, events) in enumerate(parts)
        ]
        started = time.monotonic()
        with multiprocessing.get_context("spawn").Pool(asked.processes) as pool:
            tallies = pool.map(_play, said, chunksize=1)
        seconds = time.monotonic() - started
        wrong, held = missing(database, tallies)
        covered = checkpoints(database, keys)
        begun = time.monotonic()
        verdict = verify(database, chain=True, receipts=True)
        verifying = time.monotonic() - begun
        database.dispose()
    acts = sum((tally.acts for tally in tallies), Counter())
    for line in wrong:
        print(line)
    for violation in verdict.violations:
        print(f"✗ {violation.check} ({violation.count}): {violation.examples[:3]}")
    print(f"{held['events']:,} events through {asked.dossiers} open dossiers ({held['closed']:,} closed, {promised})")
    print(f"{seconds / 60:.1f} minutes, {held['events'] / seconds:.0f} events/s; verified in {verifying:.0f} s")
    print(
        json.dumps(
            {
                "events": held["events"],
                "open": asked.dossiers,
                "processes": asked.processes,
                "cores": os.cpu_count(),
                "minutes": round(seconds / 60, 2),
                "events_per_s": round(held["events"] / seconds, 1),
                "verify_s": round(verifying, 1),
                "checkpoints": covered,
                "held": held,
                "acts": dict(acts.most_common()),
                "lost": wrong,
                "violations": [violation.check for violation in verdict.violations],
            }
        )
    )
    return 4 if wrong or verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())

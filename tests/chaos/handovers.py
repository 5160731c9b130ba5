"""Eight officers hand dossiers over while everything under them is killed; then what they were told is held against the register.

Each officer keeps a journal: every command with its key and the answer. A command without an answer is sent again under its key
until it has one, so that at the end every effect in the register must be somebody's answer, and every answer an effect.
``Run.faults`` is the judge; it knows nothing of how the register defends itself, and a run without defences must not pass it.
"""

from __future__ import annotations

import datetime as dt
import http.client
import itertools
import json
import random
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from api.idempotency import KEPT_REFUSALS
from landdb.db.transaction import Actor
from landdb.sealing import tokens
from ops.verify import verify
from tests.chaos.preloaded import Preloaded
from tests.dossier_make import KEYS, Bench, Places

PATIENCE_S = 180.0
TWICE = 0.05  # as one who clicks twice
ASTRAY = 0.05  # a dossier that somebody else holds, or that is on its way
REFUSALS = ("not_ours", "papers_missing", "papers_unreadable")
ENDS = {"acceptance": "accepted", "refusal": "refused", "recall": "recalled"}
TABLES = ("dossier", "handover", "custody", "dossier_event", "receipt", "outbox", "idempotency_key", "deadline")


class Unanswered(AssertionError):
    """A command that nobody answered in all that time."""


@dataclass(frozen=True)
class Command:
    """What an officer wants, under its key. ``handover_id`` null: an offer."""

    key: str
    officer: int
    verb: str
    path: str
    body: bytes
    dossier_id: UUID
    handover_id: UUID | None = None


@dataclass(frozen=True)
class Answer:
    """What came back. ``replayed``: the register says that it had answered before."""

    status: int
    body: bytes
    replayed: bool

    @property
    def done(self) -> bool:
        return self.status < 300

    @property
    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(frozen=True)
class Entry:
    """A line of a journal."""

    command: Command
    answer: Answer
    tries: int


@dataclass(frozen=True)
class Open:
    """An offer that somebody has been told of, and of whose end nobody has yet."""

    handover_id: UUID
    dossier_id: UUID
    from_office: int
    to_office: int


class Board:
    """What the officers believe, all together: they look over one another's shoulders, so that they meet on the same dossiers."""

    def __init__(self, holders: dict[UUID, int], offices: list[int]) -> None:
        self.lock = threading.Lock()
        self.holders = holders
        self.offices = offices
        self.open: dict[UUID, Open] = {}

    def wish(self, office: int, chance: random.Random) -> tuple[str, UUID, Open | int] | None:
        """What somebody of an office does next; null: nothing lies there."""
        with self.lock:
            on_the_way = {each.dossier_id for each in self.open.values()}
            incoming = [each for each in self.open.values() if each.to_office == office]
            sent = [each for each in self.open.values() if each.from_office == office]
            held = [each for each, holder in self.holders.items() if holder == office and each not in on_the_way]
            if chance.random() < ASTRAY:
                held = list(self.holders)
        choices = [("take", 3.0 * bool(incoming)), ("recall", 0.4 * bool(sent)), ("offer", 2.0 * bool(held))]
        if not any(weight for _, weight in choices):
            return None
        (what,) = chance.choices([name for name, _ in choices], [weight for _, weight in choices])
        if what == "offer":
            return "offer", chance.choice(held), chance.choice([each for each in self.offices if each != office])
        opened = chance.choice(incoming if what == "take" else sent)
        verb = "recall" if what == "recall" else chance.choices(["acceptance", "refusal"], [4, 1])[0]
        return verb, opened.dossier_id, opened

    def learn(self, command: Command, answer: Answer) -> None:
        """Somebody has been answered."""
        said = answer.said
        with self.lock:
            if command.handover_id is None:
                if answer.done:
                    for row in said["rows"]:
                        told = row["handover"]
                        self.open[UUID(told["handover_id"])] = _opened(told)
                return
            state = said.get("state") if answer.done else said.get("params", {}).get("winner")
            opened = self.open.pop(command.handover_id, None) if state or answer.status == 404 else None
            if opened and state == "accepted":
                self.holders[opened.dossier_id] = opened.to_office


def _opened(told: dict[str, Any]) -> Open:
    sides = (told[side]["office_id"] for side in ("from_office", "to_office"))
    return Open(UUID(told["handover_id"]), UUID(told["dossier_id"]), *sides)


class Officer:
    """One client: a person of an office with a token and a line to whatever worker listens."""

    def __init__(self, number: int, actor: Actor, port: int, chance: random.Random) -> None:
        self.number, self.actor, self.port, self.chance = number, actor, port, chance
        self.journal: list[Entry] = []
        self.odd: list[str] = []  # answers that nobody should ever get
        self._line: http.client.HTTPConnection | None = None
        self._token = ""

    def wants(self, verb: str, dossier_id: UUID, about: Open | int) -> Command:
        """A command under a key of its own."""
        key = str(UUID(int=self.chance.getrandbits(128), version=4))
        if isinstance(about, int):
            said = {"dossier_ids": [str(dossier_id)], "to_office": about, "note": "chuyển tiếp"}
            return Command(key, self.number, "offer", "/v1/handovers", json.dumps(said).encode(), dossier_id)
        body = json.dumps({"reason_code": self.chance.choice(REFUSALS)}).encode() if verb == "refusal" else b""
        path = f"/v1/handovers/{about.handover_id}/{verb}"
        return Command(key, self.number, verb, path, body, dossier_id, about.handover_id)

    def send(self, command: Command) -> tuple[Answer, int]:
        """Send a command until it is answered; the answer, and how often it was sent."""
        deadline = time.monotonic() + PATIENCE_S
        for tries in range(1, 1_000_000):
            if time.monotonic() > deadline:
                raise Unanswered(command)
            try:
                answer = self._call(command)
            except (OSError, http.client.HTTPException):  # the worker is gone, and with it the line
                self.close()
            else:
                if self._is_definite(command, answer):
                    return answer, tries
            time.sleep(self.chance.uniform(0.005, 0.05))
        raise Unanswered(command)

    def _is_definite(self, command: Command, answer: Answer) -> bool:
        if answer.status == 401:
            self._token = ""
            return False
        if answer.status >= 500:
            if answer.status != 503:
                self.odd.append(f"{command.verb} {command.dossier_id}: {answer.status} {answer.body[:200]!r}")
            return False
        return answer.status != 409 or answer.said["code"] != "request.idempotency_running"

    def _call(self, command: Command) -> Answer:
        if not self._token:
            self._token = self._new_token()
        self._line = self._line or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Idempotency-Key": command.key,
            "Content-Type": "application/json",
        }
        self._line.request("POST", command.path, command.body, headers)
        response = self._line.getresponse()
        body = response.read()
        return Answer(response.status, body, response.headers.get("idempotency-replayed") == "true")

    def _new_token(self) -> str:
        subject, may, now = f"staff:{self.actor.staff_id}", self.actor.permissions, dt.datetime.now(dt.UTC)
        return tokens.sign(KEYS, subject=subject, office_id=self.actor.office_id, permissions=may, now=now)[0]

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


@dataclass
class Kills:
    """What was killed, and how many commands had been carried out by then."""

    workers: list[int] = field(default_factory=list)
    servers: list[int] = field(default_factory=list)


@dataclass
class Run:
    """A run over the register of ``bench``. ``restart`` kills PostgreSQL and starts it again; null: it lives on."""

    bench: Bench
    api: Preloaded
    seed: int
    handovers: int
    dossiers: int = 48
    kill_worker_s: float = 1.0
    kill_server_s: float = 10.0
    restart: Callable[[], None] | None = None
    floor: float = 0.0
    name: str = ""
    kills: Kills = field(default_factory=Kills)
    seconds: float = 0.0
    found: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        places = self.bench.places
        self.officers = [
            Officer(number, actor, self.api.port, random.Random(self.chance.random()))
            for number, actor in enumerate(staff(places))
        ]
        offices = sorted({each.actor.office_id for each in self.officers if each.actor.office_id})
        received = [self.bench.receive(offices[n % len(offices)]) for n in range(self.dossiers)]
        self.received = {each.dossier_id: each.holder_office_id for each in received}
        self.board = Board(dict(self.received), offices)
        self._count = threading.Lock()
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self.completed = 0
        self.offered = 0

    # ── what happens ──

    def go(self) -> None:
        """Let officers work and killers kill until so many hand-overs were offered and one of each kind was killed."""
        started = time.monotonic()
        killers = [threading.Thread(target=self._guarded, args=(self._kill_workers,))]
        if self.restart is not None:
            killers.append(threading.Thread(target=self._guarded, args=(self._kill_servers,)))
        clients = [threading.Thread(target=self._guarded, args=(self._work, each)) for each in self.officers]
        for thread in (*killers, *clients):
            thread.start()
        for thread in clients:
            thread.join()
        self._over.set()
        for thread in killers:
            thread.join()
        self.seconds = time.monotonic() - started
        if self._failures:
            raise self._failures[0]
        self.api.wait()

    def _guarded(self, act: Callable[..., None], *said: Any) -> None:
        try:
            act(*said)
        except BaseException as failure:
            self._failures.append(failure)
            self._over.set()

    def _enough(self) -> bool:
        killed = bool(self.kills.workers) and (self.restart is None or bool(self.kills.servers))
        spent = sum(len(each.journal) for each in self.officers) > 4 * self.handovers
        return self._over.is_set() or (killed and (self.offered >= self.handovers or spent))

    def _work(self, officer: Officer) -> None:
        while not self._enough():
            assert officer.actor.office_id is not None
            wish = self.board.wish(officer.actor.office_id, officer.chance)
            if wish is None:
                time.sleep(0.005)
                continue
            command = officer.wants(*wish)
            answer, tries = officer.send(command)
            officer.journal.append(Entry(command, answer, tries))
            self.board.learn(command, answer)
            if answer.done:
                with self._count:
                    self.completed += 1
                    self.offered += command.handover_id is None
            if officer.chance.random() < TWICE:
                officer.odd += differing(officer, [officer.journal[-1]])

    def _kill_workers(self) -> None:
        chance = random.Random(self.chance.random())
        while not self._over.is_set():
            self.api.wait()
            if self._over.wait(self.kill_worker_s * chance.uniform(0.7, 1.3)):
                return
            self.api.kill()
            self.kills.workers.append(self.completed)

    def _kill_servers(self) -> None:
        assert self.restart is not None
        chance = random.Random(self.chance.random())
        pause = self.kill_server_s * chance.uniform(0.2, 0.5)
        while not self._over.wait(pause):
            self.kills.servers.append(self.completed)
            self.restart()
            pause = self.kill_server_s * chance.uniform(0.7, 1.3)

    # ── what was told ──

    @property
    def journal(self) -> list[Entry]:
        """Every command of everybody."""
        return [entry for officer in self.officers for entry in officer.journal]

    @property
    def between(self) -> list[int]:
        """Commands carried out between one kill of a worker and the next."""
        marks = [0, *self.kills.workers]
        return [b - a for a, b in itertools.pairwise(marks)]

    def report(self) -> str:
        """For people."""
        entries, between = self.journal, self.between or [self.completed]
        answers = Counter(f"{e.command.verb} {e.answer.status}" for e in entries)
        handed = f"{self.offered:,} hand-overs, {self.completed:,} operations completed of {len(entries):,} commands"
        killed = f"{len(self.kills.workers)} of the API worker, {len(self.kills.servers)} of PostgreSQL"
        middle = f"min {min(between)}, median {statistics.median(between):g}, mean {statistics.mean(between):.1f}"
        lines = [
            f"{self.name}seed {self.seed}: {handed} in {self.seconds:.0f} s",
            f"  kills: {killed}; {sum(e.tries > 1 for e in entries)} commands were sent again",
            f"  operations completed between kills: {middle} (floor {self.floor:g})",
            "  " + ", ".join(f"{name} × {times}" for name, times in sorted(answers.items())),
        ]
        return "\n".join(lines)

    # ── what is held against it ──

    def faults(self) -> dict[str, list[str]]:
        """Everything that does not hold, by the name of what is broken; empty: all is well."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name, fault in self._judge():
            found[name].append(fault)
        return dict(found)

    def _judge(self) -> Iterator[tuple[str, str]]:
        verdict = verify(self.bench.database, chain=True, receipts=True)
        for broken in verdict.violations:
            yield broken.check, f"{broken.count}: {[(e.subject, e.detail) for e in broken.examples[:3]]}"
        yield from self._lost_or_doubled()
        yield from self._told_of_ends()
        yield from self._conserved()
        yield from (("odd_answer", each) for officer in self.officers for each in officer.odd)
        yield from (("replay", each) for each in self._replayed(100))
        if not goes_on(self.between, self.floor):
            yield "progress", f"{statistics.mean(self.between):.1f} operations between kills"

    def _lost_or_doubled(self) -> Iterator[tuple[str, str]]:
        """I15, and none doubled: the hand-overs of the register are those that were answered, each as it was answered."""
        rows = {row["handover_id"]: row for row in self.bench.ask("SELECT * FROM handover")}
        told: dict[UUID, dict[str, Any]] = {}
        for entry in self._done("offer"):
            for row in entry.answer.said["rows"]:
                told[UUID(row["handover"]["handover_id"])] = row["handover"]
        yield from (("lost", f"hand-over {each}") for each in told.keys() - rows.keys())
        yield from (("doubled", f"hand-over {each} that nobody was told of") for each in rows.keys() - told.keys())
        for handover_id in told.keys() & rows.keys():
            said, row = told[handover_id], rows[handover_id]
            opened = _opened(said)
            expected = (opened.dossier_id, said["epoch"], opened.from_office, opened.to_office)
            found = (row["dossier_id"], row["epoch"], row["from_office_id"], row["to_office_id"])
            if (expected, said["manifest_sha256"]) != (found, bytes(row["manifest_sha256"]).hex()):
                yield "acknowledged", f"hand-over {handover_id}: {expected} was told, {found} is there"

    def _told_of_ends(self) -> Iterator[tuple[str, str]]:
        """I15 for acceptances, refusals and recalls; each hand-over has one winner, and the losers were told which."""
        rows = {row["handover_id"]: row for row in self.bench.ask("SELECT * FROM handover")}
        via = {row["via_handover_id"]: row for row in self.bench.ask("SELECT * FROM custody WHERE epoch > 1")}
        winners: defaultdict[UUID, list[Entry]] = defaultdict(list)
        for verb in ENDS:
            for entry in self._done(verb):
                assert entry.command.handover_id is not None
                winners[entry.command.handover_id].append(entry)
        for handover_id, entries in winners.items():
            row, verb = rows.get(handover_id), entries[0].command.verb
            if len(entries) > 1:
                yield "doubled", f"hand-over {handover_id} ended {len(entries)} times"
            by = self.officers[entries[0].command.officer].actor
            if row is None or (row["state"], row["closed_by"]) != (ENDS[verb], by.staff_id):
                yield "lost", f"{verb} of hand-over {handover_id}"
            elif verb == "acceptance":
                epoch = via.get(handover_id)
                if epoch is None or (epoch["epoch"], epoch["office_id"]) != (row["epoch"] + 1, by.office_id):
                    yield "lost", f"custody by hand-over {handover_id}"
        for handover_id, row in rows.items():
            if row["state"] != "offered" and handover_id not in winners:
                yield "doubled", f"hand-over {handover_id} was {row['state']} and nobody was told"
        yield from self._told_of_winners(rows)

    def _told_of_winners(self, rows: dict[UUID, dict[str, Any]]) -> Iterator[tuple[str, str]]:
        """Who came too late was told the truth."""
        for entry in self.journal:
            if entry.answer.status == 409 and entry.command.handover_id in rows:
                winner = entry.answer.said.get("params", {}).get("winner")
                if winner != rows[entry.command.handover_id]["state"]:
                    yield "winner", f"{entry.command.verb} {entry.command.handover_id}: {entry.answer.body!r}"

    def _conserved(self) -> Iterator[tuple[str, str]]:
        """I12 and I8 against the journal: the same dossiers, an event and its messages for each act answered, every key."""
        there = {row["dossier_id"] for row in self.bench.ask("SELECT dossier_id FROM dossier")}
        yield from (("lost", f"dossier {each}") for each in self.received.keys() - there)
        yield from (("doubled", f"dossier {each}") for each in there - self.received.keys())
        acts = Counter(e.command.dossier_id for e in self.journal if e.answer.done)
        events = self.bench.ask("SELECT dossier_id, count(*) AS n FROM dossier_event GROUP BY dossier_id")
        for row in events:
            if row["n"] != acts[row["dossier_id"]] + 1:
                yield "events", f"dossier {row['dossier_id']}: {row['n']} events, {acts[row['dossier_id']]} acts"
        due = sum((2 if e.command.verb == "acceptance" else 1) for e in self.journal if e.answer.done)
        sent = self.bench.one("SELECT count(*) FROM outbox")
        if sent != due:
            yield "messages", f"{sent} of {due}"
        kept = {row["key"] for row in self.bench.ask("SELECT key FROM idempotency_key")}
        wanted = {e.command.key for e in self.journal if e.answer.done or e.answer.status in KEPT_REFUSALS}
        if kept != wanted:
            yield "keys", f"{len(kept - wanted)} too many, {len(wanted - kept)} missing"

    def _replayed(self, sample: int) -> Iterator[str]:
        """I14: the same command under the same key is answered with the same bytes, and has no second effect."""
        kept = [e for e in self.journal if e.answer.done or e.answer.status in KEPT_REFUSALS]
        before = self._sizes()
        chosen = self.chance.sample(kept, min(sample, len(kept)))
        for officer in self.officers:
            yield from differing(officer, [e for e in chosen if e.command.officer == officer.number])
        if (after := self._sizes()) != before:
            yield f"{before} became {after}"

    def _sizes(self) -> dict[str, int]:
        return {table: self.bench.one(f"SELECT count(*) FROM {table}") for table in TABLES}

    def _done(self, verb: str) -> Iterator[Entry]:
        return (e for e in self.journal if e.answer.done and e.command.verb == verb)


def differing(officer: Officer, entries: Iterable[Entry]) -> list[str]:
    """The commands that get another answer than before when they are sent once more."""
    found = []
    for entry in entries:
        again, _ = officer.send(entry.command)
        same = (again.status, again.body, True) == (entry.answer.status, entry.answer.body, again.replayed)
        if not same:
            found.append(f"{entry.command.verb}: {entry.answer.status} became {again.status}, {again.replayed=}")
    return found


def goes_on(between: list[int], floor: float) -> bool:
    """Whether a system does its work between kills, and does not only start again."""
    return not between or statistics.mean(between) >= floor


def staff(places: Places) -> list[Actor]:
    """Eight people of six offices; at the desk and at the branch two, who meet on the same dossiers."""
    return [
        places.clerk,
        places.second_clerk,
        places.officer,
        places.colleague,
        places.other_officer,
        places.leader,
        places.tax_officer,
        places.province_officer,
    ]


@contextmanager
def kept_lines(run: Run) -> Iterator[Run]:
    """Close the officers' lines at the end."""
    try:
        yield run
    finally:
        for officer in run.officers:
            officer.close()

"""A register and three nodes on lines that lose, double, delay and reorder, with crashes, restores and forced moves.

Only the world is made up here: disks, packets, officers, accidents. Every decision is the product's own
(``landdb.dossier.node``, ``landdb.dossier.hub`` over ``landdb.dossier.model``, ``landdb.exchange.sequence``); ``Rules`` names
each function, so that a test can put a wrong one in its place and see the same checks catch it.

A disk is one frozen record: what is assigned to it is committed, and a crash keeps exactly that. Time is the number of steps; a
history runs its steps, then the accidents end, everything is delivered, open offers are decided, and the last checks are made.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from landdb.dossier import hub, node
from landdb.dossier.hub import Handled, Ledger
from landdb.dossier.model import CustodyState, ReceiverClosed
from landdb.dossier.node import TERMINAL, Check, Command, Copy, CopyState, CustodyList, Outcome, OutcomeKind
from landdb.errors import LandError
from landdb.exchange import sequence
from landdb.exchange.sequence import Ack, Incarnations, Inlet, Numbered, Outlet, Talk, Verdict

HUB: Final = 0
NODES: Final = (1, 2, 3)
"""An office lives on exactly one node: one number for both."""

AT_HAND: Final = frozenset({CopyState.ACTIVE, CopyState.SEALED, CopyState.OFFERED})
"""States of a copy in which an officer can do something."""


# ── what may be varied ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Rules:
    """The functions that decide. The defaults are the product's."""

    offer: Callable[..., tuple[Copy, Command]] = node.offer
    recall: Callable[..., tuple[Copy, Command]] = node.recall
    accept: Callable[..., tuple[Copy, Command]] = node.accept
    refuse: Callable[..., tuple[Copy, Command]] = node.refuse
    hear: Callable[[Copy | None, Outcome], Copy | None] = node.hear
    handle: Callable[[Ledger, Command, int, LandError | None], Handled] = hub.handle
    force: Callable[[Ledger, UUID, int], Handled] = hub.force
    receive: Callable[..., tuple[Verdict, Inlet[Any]]] = sequence.receive
    acknowledge: Callable[[Outlet[Any], Ack], Outlet[Any]] = sequence.acknowledge
    atomic_outbox: bool = True
    restored_node_asks: bool = True
    restored_hub_waits: bool = True


@dataclass(frozen=True)
class World:
    """How bad it is. Probabilities are of each packet, act or step."""

    steps: int = 1000
    dossiers: int = 3
    loss: float = 0.25
    doubled: float = 0.12
    late: float = 0.06
    crash: float = 0.02
    hindered: float = 0.04
    destroyed: bool = False  # F21: a node is lost, its dossiers are moved by force, it comes back from a backup
    cut_off: bool = False  # a node is believed lost and goes on working
    node_restored: bool = False  # F19
    hub_restored: bool = False  # F20


CALM: Final = World(loss=0, doubled=0, late=0, crash=0, hindered=0)


def world_of(seed: int) -> World:
    """The accidents of a history: every combination comes round in sixteen seeds."""
    return World(
        destroyed=bool(seed & 1), cut_off=bool(seed & 2), node_restored=bool(seed & 4), hub_restored=bool(seed & 8)
    )


# ── disks and packets ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class NodeDisk:
    """What a node has committed. ``presenting``: the first number that a restored register lacks of what it sent us."""

    incarnations: Incarnations
    copies: Mapping[UUID, Copy]
    out: Outlet[Any]
    inlet: Inlet[Any]
    phase: str = "open"  # after a restore: greeting, checking, open; officers act only when open
    check_id: UUID | None = None
    presenting: int | None = None


@dataclass(frozen=True)
class HubLink:
    """What the register has committed about the line to one node."""

    incarnations: Incarnations
    out: Outlet[Any]
    inlet: Inlet[Any]
    presented: tuple[Numbered[Any], ...] | None = None


@dataclass(frozen=True)
class HubDisk:
    """What the register has committed. While ``recovering`` it takes no command."""

    ledgers: Mapping[UUID, Ledger]
    links: Mapping[int, HubLink]
    recovering: bool = False
    quarantine: tuple[tuple[int, Command], ...] = ()


@dataclass(frozen=True)
class Packet:
    """A request or an answer on the line between the register and ``node``."""

    to: int
    node: int
    said: Incarnations
    word: str
    content: Any = None


class ViolationError(AssertionError):
    """A check failed."""


class UndecidedError(Exception):
    """Register and node were both put back, and receipts between are held by nobody: a person must decide, the history ends."""


def digest(body: Any) -> bytes:
    """Stands for SHA-256 over the canonical bytes."""
    return sha256(repr(body).encode()).digest()


# ── one history ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class History:
    """Runs one history. ``seen`` counts what happened, so that a test can tell an empty run from a good one."""

    seed: int
    world: World
    rules: Rules = field(default_factory=Rules)
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.step = 0
        self.bag: list[Packet] = []
        self.late: list[tuple[int, Packet]] = []
        self.up_at: dict[int, int] = dict.fromkeys((HUB, *NODES), 0)
        self.cut_until: dict[int, int] = dict.fromkeys(NODES, 0)
        self.lost: set[int] = set()
        self.ever_forced: set[tuple[UUID, int]] = set()
        self.ever_restored: set[int] = set()
        self.restores = dict.fromkeys((HUB, *NODES), 1)
        ledgers = [hub.first(self.new_id(), self.rng.choice(NODES)) for _ in range(self.world.dossiers)]
        self.dossiers = [ledger.dossier_id for ledger in ledgers]
        self.hub = HubDisk(
            {ledger.dossier_id: ledger for ledger in ledgers},
            {n: HubLink(Incarnations(), Outlet(), Inlet()) for n in NODES},
        )
        self.nodes = {
            n: NodeDisk(
                Incarnations(),
                {c.dossier_id: Copy(CopyState.ACTIVE, 1) for c in ledgers if c.custody.holder_office_id == n},
                Outlet(),
                Inlet(),
            )
            for n in NODES
        }
        self.backups = dict(self.nodes)
        self.hub_backup = self.hub

    def new_id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128))

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def run(self) -> Counter[str]:
        """Raises: ``ViolationError`` at the first check that fails."""
        while self.step < self.world.steps:
            self.one_step()
            self.step += 1
        self.quiet_down()
        return self.seen

    def fail(self, what: str) -> None:
        raise ViolationError(f"seed {self.seed}, step {self.step}: {what}")

    def one_step(self) -> None:
        self.late_ones_arrive()
        draw = self.rng.random()
        if draw < 0.44:
            self.deliver_one()
        elif draw < 0.78:
            self.node_calls(self.rng.choice(NODES))
        elif draw < 0.96:
            self.officer_acts(self.rng.choice(NODES))
        elif draw < 0.99:
            self.back_up()
        else:
            self.accident()

    # ── the line ────────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, packet: Packet) -> None:
        if self.cut_until[packet.node] > self.step:
            self.seen["cut"] += 1
            return
        for _ in range(2 if self.chance(self.world.doubled) else 1):
            if self.chance(self.world.loss):
                self.seen["packet lost"] += 1
            elif self.chance(self.world.late):
                self.late.append((self.step + self.rng.randrange(50, 400), packet))
            else:
                self.bag.append(packet)

    def late_ones_arrive(self) -> None:
        if self.late and self.step % 10 == 0:
            self.bag.extend(packet for at, packet in self.late if at <= self.step)
            self.late = [(at, packet) for at, packet in self.late if at > self.step]

    def deliver_one(self) -> None:
        if not self.bag:
            return
        at = self.rng.randrange(len(self.bag))
        self.bag[at], self.bag[-1] = self.bag[-1], self.bag[at]
        self.deliver(self.bag.pop())

    def deliver(self, packet: Packet) -> None:
        party = HUB if packet.to == HUB else packet.node
        if not self.is_up(party):
            self.seen["packet to a dead party"] += 1
            return
        if packet.to == HUB:
            self.hub_hears(packet)
        else:
            self.node_hears(packet)

    # ── crashes ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def is_up(self, party: int) -> bool:
        return party not in self.lost and self.up_at[party] <= self.step

    def crashes(self, party: int) -> bool:
        """Whether a party dies here; what it has committed stays, what it was about to do does not happen."""
        if not self.chance(self.world.crash):
            return False
        self.up_at[party] = self.step + self.rng.randrange(1, 40)
        self.seen["crash"] += 1
        return True

    def commit_node(self, n: int, disk: NodeDisk, touched: Iterable[UUID] = ()) -> bool:
        """One transaction of a node; false where it died before it or before it could answer."""
        if self.crashes(n):
            return False
        self.nodes[n] = disk
        for dossier_id in touched:
            self.check(dossier_id)
        return not self.crashes(n)

    def commit_hub(self, disk: HubDisk, touched: Iterable[UUID] = ()) -> bool:
        if self.crashes(HUB):
            return False
        self.hub = disk
        for dossier_id in touched:
            self.check(dossier_id)
        return not self.crashes(HUB)

    # ── officers at a node ──────────────────────────────────────────────────────────────────────────────────────────

    def officer_acts(self, n: int) -> None:
        if not self.is_up(n) or self.nodes[n].phase != "open":
            return
        at_hand = [d for d, copy in self.nodes[n].copies.items() if copy.state in AT_HAND]
        if not at_hand:
            return
        dossier_id = self.rng.choice(at_hand)
        copy = self.nodes[n].copies[dossier_id]
        act = self.chosen_act(copy)
        if act is None:
            return
        if act == "offer":
            to_office = self.rng.choice([other for other in NODES if other != n])
            changed = self.rules.offer(copy, dossier_id, self.new_id(), by_office=n, to_office=to_office)
        else:
            changed = getattr(self.rules, act)(copy, dossier_id)
        self.seen[act] += 1
        self.write(n, dossier_id, *changed)

    def chosen_act(self, copy: Copy) -> str | None:
        match copy.state:
            case CopyState.ACTIVE:
                return "offer" if self.chance(0.7) else None
            case CopyState.SEALED:
                return "recall" if self.chance(0.03) else None
            case CopyState.OFFERED:
                return self.rng.choice(["accept", "accept", "accept", "refuse", None])
            case _:
                return None

    def write(self, n: int, dossier_id: UUID, copy: Copy, command: Command) -> None:
        """R1: the copy and the message in one transaction."""
        disk = self.nodes[n]
        sealed = replace(disk, copies={**disk.copies, dossier_id: copy})
        posted = sequence.post(disk.out, command, digest(command))
        if self.rules.atomic_outbox:
            self.commit_node(n, replace(sealed, out=posted), [dossier_id])
        elif self.commit_node(n, sealed, [dossier_id]) and not self.chance(0.05):
            self.commit_node(n, replace(self.nodes[n], out=posted))

    # ── a node on the line ──────────────────────────────────────────────────────────────────────────────────────────

    def node_calls(self, n: int) -> None:
        """The node never waits to be called: it pushes, asks, and repeats itself for ever."""
        if not self.is_up(n):
            return
        disk = self.nodes[n]
        if disk.presenting is not None:
            self.up(n, "present", sequence.taken_since(disk.inlet, disk.presenting))
        elif disk.phase == "greeting":
            self.up(n, "hello", disk.out.next_seq)
        else:
            for message in sequence.waiting(disk.out)[:4]:
                self.up(n, "message", message)
            self.up(n, "poll", disk.inlet.ack)

    def up(self, n: int, word: str, content: Any) -> None:
        self.send(Packet(HUB, n, self.nodes[n].incarnations, word, content))

    def node_hears(self, packet: Packet) -> None:
        n, disk = packet.node, self.nodes[packet.node]
        match sequence.talk(disk.incarnations, packet.said):
            case Talk.ROLLED_BACK:
                self.fail(f"node {n} was put back without a new incarnation")
            case Talk.STALE | Talk.UNAWARE:
                self.seen["stale packet"] += 1
            case Talk.RESTORED:
                if packet.word == "reset":
                    self.node_presents(n, disk, packet)
            case Talk.CURRENT:
                if packet.word != "reset":
                    self.node_takes(n, replace(disk, presenting=None), packet)

    def node_presents(self, n: int, disk: NodeDisk, packet: Packet) -> None:
        """The register was put back: from now on refuse what it sent before, and show it what we hold of that."""
        down_next, up_ack = packet.content
        out = disk.out if disk.phase == "greeting" else sequence.agree(disk.out, up_ack)
        incarnations = replace(disk.incarnations, theirs=packet.said.mine)
        self.commit_node(n, replace(disk, incarnations=incarnations, out=out, presenting=down_next))

    def node_takes(self, n: int, disk: NodeDisk, packet: Packet) -> None:
        match packet.word:
            case "ack":
                if disk.phase != "greeting":
                    self.commit_node(n, replace(disk, out=self.rules.acknowledge(disk.out, packet.content)))
            case "opened":
                self.commit_node(n, disk)
            case "welcome" if disk.phase == "greeting":
                ack, returned = packet.content
                out = sequence.agree(sequence.adopt(disk.out, returned), ack)
                check = Check(self.new_id())
                out = sequence.post(out, check, digest(check))
                self.commit_node(n, replace(disk, out=out, phase="checking", check_id=check.check_id))
            case "message":
                self.node_takes_message(n, disk, packet.content)

    def node_takes_message(self, n: int, disk: NodeDisk, message: Numbered[Any]) -> None:
        verdict, inlet = self.rules.receive(disk.inlet, message)
        self.seen[f"down {verdict}"] += 1
        if verdict is Verdict.FORK:
            self.fail(f"fork on the way down to node {n}")
        if verdict is not Verdict.NEW:
            return
        disk = replace(disk, inlet=inlet)
        body = message.body
        if isinstance(body, Outcome):
            copy = self.rules.hear(disk.copies.get(body.dossier_id), body)
            if copy is not None:
                disk = replace(disk, copies={**disk.copies, body.dossier_id: copy})
            self.commit_node(n, disk, [body.dossier_id])
        elif isinstance(body, CustodyList) and disk.phase == "checking" and body.check_id == disk.check_id:
            if node.differing(disk.copies, body.standings):
                self.fail(f"node {n} was restored and believes {dict(disk.copies)}, the register {body.standings}")
            self.seen["restored node agreed"] += 1
            self.commit_node(n, replace(disk, phase="open"), self.dossiers)
        else:
            self.commit_node(n, disk)

    # ── the register on the line ────────────────────────────────────────────────────────────────────────────────────

    def down(self, n: int, word: str, content: Any, said: Incarnations | None = None) -> None:
        self.send(Packet(n, n, said or self.hub.links[n].incarnations, word, content))

    def hub_hears(self, packet: Packet) -> None:
        n, link = packet.node, self.hub.links[packet.node]
        match sequence.talk(link.incarnations, packet.said):
            case Talk.ROLLED_BACK:
                self.fail("the register was put back without a new incarnation")
            case Talk.STALE:
                self.seen["stale packet"] += 1
            case Talk.UNAWARE:
                said = replace(link.incarnations, theirs=packet.said.mine)
                self.down(n, "reset", (link.out.next_seq, link.inlet.ack), said)
            case Talk.RESTORED:
                if packet.word in {"hello", "present"}:
                    greeted = replace(link, incarnations=replace(link.incarnations, theirs=packet.said.mine))
                    self.hub_takes(n, replace(self.hub, links={**self.hub.links, n: greeted}), packet)
            case Talk.CURRENT:
                self.hub_takes(n, self.hub, packet)

    def hub_takes(self, n: int, disk: HubDisk, packet: Packet) -> None:
        link = disk.links[n]
        match packet.word:
            case "present":
                self.hub_is_shown(n, disk, packet.content)
            case "hello":
                if self.commit_hub(disk) and not disk.recovering:
                    self.down(n, "welcome", (link.inlet.ack, sequence.taken_since(link.inlet, packet.content)))
            case "poll" if not disk.recovering:
                out = self.rules.acknowledge(link.out, packet.content)
                if self.commit_hub(replace(disk, links={**disk.links, n: replace(link, out=out)})):
                    for message in sequence.since(out, packet.content.seq + 1)[:4]:
                        self.down(n, "message", message)
            case "message" if not disk.recovering:
                self.hub_takes_message(n, disk, packet.content)

    def hub_takes_message(self, n: int, disk: HubDisk, message: Numbered[Any]) -> None:
        link = disk.links[n]
        verdict, inlet = self.rules.receive(link.inlet, message)
        self.seen[f"up {verdict}"] += 1
        if verdict is Verdict.FORK:
            self.fail(f"fork on the way up from node {n}")
        if verdict is Verdict.NEW:
            disk = replace(disk, links={**disk.links, n: replace(link, inlet=inlet)})
            if not self.hub_carries_out(n, disk, message.body):
                return
        self.down(n, "ack", self.hub.links[n].inlet.ack)

    def hub_carries_out(self, n: int, disk: HubDisk, body: Command | Check) -> bool:
        if isinstance(body, Check):
            answer = CustodyList(body.check_id, hub.standings(disk.ledgers.values(), n))
            return self.commit_hub(replace(disk, links=self.posted(disk.links, n, answer)))
        hindrance = ReceiverClosed() if body.kind == "offer" and self.chance(self.world.hindered) else None
        handled = self.rules.handle(disk.ledgers[body.dossier_id], body, n, hindrance)
        self.seen[handled_word(handled)] += 1
        if any(told.outcome.handover_id != body.handover_id for told in handled.told):
            self.fail(f"an act on attempt {body.handover_id} decided another")
        if handled.quarantined:
            self.seen["quarantined"] += 1
            disk = replace(disk, quarantine=(*disk.quarantine, (n, body)))
        return self.commit_hub(self.told(disk, handled), [body.dossier_id])

    def told(self, disk: HubDisk, handled: Handled) -> HubDisk:
        links = disk.links
        for told in handled.told:
            links = self.posted(links, told.office, told.outcome)
        return replace(disk, ledgers={**disk.ledgers, handled.ledger.dossier_id: handled.ledger}, links=links)

    def posted(self, links: Mapping[int, HubLink], n: int, body: Any) -> dict[int, HubLink]:
        return {**links, n: replace(links[n], out=sequence.post(links[n].out, body, digest(body)))}

    def hub_is_shown(self, n: int, disk: HubDisk, presented: tuple[Numbered[Any], ...]) -> None:
        link = disk.links[n]
        if disk.recovering and len(presented) >= len(link.presented or ()):
            disk = replace(disk, links={**disk.links, n: replace(link, presented=presented)})
            shown = [each.presented is not None for each in disk.links.values()]
            if all(shown) or not self.rules.restored_hub_waits:
                disk = self.opened(disk)
        if self.commit_hub(disk, [] if disk.recovering else self.dossiers) and not disk.recovering:
            self.down(n, "opened", None)

    def opened(self, disk: HubDisk) -> HubDisk:
        """F20: the register has seen every node's receipts. Take back its own messages, re-apply them, tell who lacks one."""
        held = {
            n: [m.body for m in link.presented or () if isinstance(m.body, Outcome)] for n, link in disk.links.items()
        }
        links = {
            n: replace(link, out=sequence.adopt(link.out, link.presented or ()), presented=None)
            for n, link in disk.links.items()
        }
        disk = replace(disk, links=links, recovering=False)
        for dossier_id in self.dossiers:
            of_it = {n: [o for o in outcomes if o.dossier_id == dossier_id] for n, outcomes in held.items()}
            handled = hub.reapply(disk.ledgers[dossier_id], of_it)
            if handled.quarantined:
                raise UndecidedError(f"seed {self.seed}, step {self.step}: {handled.refusal}")
            disk = self.told(disk, handled)
        self.seen["hub reopened"] += 1
        self.seen["receipts presented"] += sum(map(len, held.values()))
        return disk

    # ── accidents and supervisors ───────────────────────────────────────────────────────────────────────────────────

    def back_up(self) -> None:
        """Backups are of one instant of one party, and of different instants for different parties."""
        party = self.rng.choice((HUB, *NODES))
        if party == HUB:
            if not self.hub.recovering:
                self.hub_backup = self.hub
        elif party not in self.lost and self.nodes[party].phase == "open":
            self.backups[party] = self.nodes[party]

    def accident(self) -> None:
        world, draw = self.world, self.rng.random()
        if draw < 0.25 and world.destroyed:
            self.lose_node()
        elif draw < 0.50 and (world.destroyed or world.cut_off):
            self.move_by_force()
        elif draw < 0.65 and world.cut_off:
            self.cut_until[self.rng.choice(NODES)] = self.step + self.rng.randrange(40, 150)
        elif draw < 0.75 and world.node_restored:
            self.restore_node(self.rng.choice(NODES))
        elif draw < 0.82 and world.hub_restored:
            self.restore_hub()
        elif self.lost:
            self.restore_node(self.rng.choice(sorted(self.lost)))

    def lose_node(self) -> None:
        if not self.lost:
            n = self.rng.choice(NODES)
            self.lost.add(n)
            self.seen["node destroyed"] += 1

    def restore_node(self, n: int) -> None:
        """F19: put back to its newest backup; read-only until it agrees with the register."""
        self.lost.discard(n)
        self.ever_restored.add(n)
        self.restores[n] += 1
        self.seen["node restored"] += 1
        backup = self.backups[n]
        if self.rules.restored_node_asks:
            incarnations = replace(backup.incarnations, mine=self.restores[n])
            backup = replace(backup, incarnations=incarnations, phase="greeting", check_id=None)
        self.nodes[n] = backup
        for dossier_id in self.dossiers:
            self.check(dossier_id)

    def restore_hub(self) -> None:
        """F20: put back to its newest backup; takes no command until every node has shown its receipts."""
        self.restores[HUB] += 1
        self.seen["hub restored"] += 1
        links = {
            n: replace(link, incarnations=replace(link.incarnations, mine=self.restores[HUB]), presented=None)
            for n, link in self.hub_backup.links.items()
        }
        self.hub = replace(self.hub_backup, links=links, recovering=True)

    def move_by_force(self) -> None:
        """Two supervisors move what lies at a node that they believe lost; with a cut line they are wrong."""
        away = self.lost | {n for n in NODES if self.cut_until[n] > self.step}
        if self.hub.recovering or not self.is_up(HUB):
            return
        for dossier_id, ledger in self.hub.ledgers.items():
            holder = ledger.custody.holder_office_id
            if holder not in away:
                continue
            to_office = self.rng.choice([n for n in NODES if n != holder])
            handled = self.rules.force(ledger, self.new_id(), to_office)
            self.ever_forced.add((dossier_id, ledger.custody.epoch))
            self.seen["forced"] += 1
            self.commit_hub(self.told(self.hub, handled), [dossier_id])
            return

    # ── checks ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def check(self, dossier_id: UUID) -> None:
        """I11 after every step. A node that force has fenced may believe in its old epoch until it hears of it; nobody else."""
        ledger = self.hub.ledgers[dossier_id]
        custody = ledger.custody
        unfenced = 0
        for n, disk in self.nodes.items():
            copy = disk.copies.get(dossier_id)
            if copy is None or copy.state is not CopyState.ACTIVE or disk.phase != "open" or n in self.lost:
                continue
            if self.hub.recovering:
                unfenced += (dossier_id, copy.epoch) not in self.ever_forced
            elif (n, copy.epoch) == (custody.holder_office_id, custody.epoch):
                unfenced += 1
                if custody.state is CustodyState.IN_TRANSIT:
                    self.fail(f"node {n} works on what it has offered")
            elif copy.epoch not in ledger.forced:
                self.fail(f"node {n} is active at epoch {copy.epoch}; the register says {custody}")
            else:
                self.seen["fenced node still active"] += 1
        if unfenced > 1:
            self.fail(f"{unfenced} nodes are active")
        if len(ledger.holders) != custody.epoch or ledger.holders[-1] != custody.holder_office_id:
            self.fail(f"epochs are not 1..{custody.epoch}: {ledger.holders}")

    def quiet_down(self) -> None:
        """The accidents end; everything is delivered; what is open is decided; then all must be in order."""
        self.world = replace(CALM, dossiers=self.world.dossiers)
        self.step += 1000
        self.cut_until = dict.fromkeys(NODES, 0)
        for n in sorted(self.lost):
            self.restore_node(n)
        self.drain()
        for n in NODES:
            for dossier_id, copy in self.nodes[n].copies.items():
                if copy.state is CopyState.SEALED:
                    self.write(n, dossier_id, *self.rules.recall(copy, dossier_id))
        self.drain()
        self.check_quiet()

    def drain(self) -> None:
        for _ in range(80):
            for n in NODES:
                self.node_calls(n)
            self.bag.extend(packet for _, packet in self.late)
            self.late = []
            while self.bag:
                self.deliver_one()
            if self.is_drained():
                return
        self.fail("messages do not come to rest: " + ", ".join(f"{n} {d.phase}" for n, d in self.nodes.items()))

    def is_drained(self) -> bool:
        return not self.hub.recovering and all(
            disk.phase == "open"
            and disk.presenting is None
            and disk.out.acked_seq + 1 == disk.out.next_seq
            and link.out.acked_seq + 1 == link.out.next_seq
            for disk, link in ((self.nodes[n], self.hub.links[n]) for n in NODES)
        )

    def check_quiet(self) -> None:
        for n in NODES:
            self.check_link(n)
        if set(self.hub.ledgers) != set(self.dossiers):
            self.fail("dossiers appeared or vanished")
        for dossier_id, ledger in self.hub.ledgers.items():
            self.check(dossier_id)
            self.check_holder_can_act(dossier_id, ledger)
            self.check_outcomes(dossier_id, ledger)

    def check_link(self, n: int) -> None:
        """No message is lost: what left is what was taken, number by number (I7)."""
        disk, link = self.nodes[n], self.hub.links[n]
        for way, out, inlet in (("up", disk.out, link.inlet), ("down", link.out, disk.inlet)):
            taken = {(m.seq, m.body_sha256) for m in inlet.taken}
            if {(m.seq, m.body_sha256) for m in out.kept} != taken or len(inlet.taken) != out.next_seq - 1:
                self.fail(f"messages {way} of node {n} were lost")

    def check_holder_can_act(self, dossier_id: UUID, ledger: Ledger) -> None:
        custody = ledger.custody
        if custody.state is not CustodyState.HELD:
            self.fail("an offer is still open")
        for n in NODES:
            copy = self.nodes[n].copies.get(dossier_id)
            if n == custody.holder_office_id:
                if copy != Copy(CopyState.ACTIVE, custody.epoch):
                    self.fail(f"holder {n} cannot act: {copy}, {custody}")
            elif copy is not None and copy.state not in {CopyState.GONE, CopyState.CLOSED}:
                self.fail(f"node {n} still has {copy}, the register says {custody}")

    def check_outcomes(self, dossier_id: UUID, ledger: Ledger) -> None:
        """R6, and I15 as far as receipts go: every grant that a node holds stands in the register's list of holders."""
        ends: Counter[tuple[int, UUID]] = Counter()
        for n in NODES:
            for message in self.nodes[n].inlet.taken:
                outcome = message.body
                if not isinstance(outcome, Outcome) or outcome.dossier_id != dossier_id:
                    continue
                ends[n, outcome.handover_id] += outcome.kind in TERMINAL
                if outcome.kind is OutcomeKind.GRANTED and ledger.holders[outcome.epoch - 1 : outcome.epoch] != (n,):
                    self.fail(f"node {n} holds a grant of epoch {outcome.epoch} that the register denies")
                if outcome.state is not None and outcome.handover_id not in ledger.ended:
                    self.fail("a hand-over that ended is open again")
        if wrong := {party: count for party, count in ends.items() if count != 1}:
            self.fail(f"not one terminal outcome for each party: {wrong}")


def handled_word(handled: Handled) -> str:
    """What a command did, for the count of what was seen."""
    if handled.refusal is not None:
        return "not opened" if handled.told else "loser"
    state = handled.told[0].outcome.state if handled.told else None
    return "already done" if state is None else f"now {state.value}"


@dataclass
class Report:
    """What many histories came to. ``violated`` and ``undecided`` name their seeds."""

    violated: list[str] = field(default_factory=list)
    undecided: list[int] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)


def play(seeds: Iterable[int], rules: Rules | None = None, world: Callable[[int], World] = world_of) -> Report:
    """Run a history for each seed. A refusal that nobody expected counts as a violation."""
    report = Report()
    for seed in seeds:
        history = History(seed, world(seed), rules or Rules())
        try:
            history.run()
        except ViolationError as wrong:
            report.violated.append(str(wrong))
        except UndecidedError:
            report.undecided.append(seed)
        except LandError as wrong:
            report.violated.append(f"seed {seed}, step {history.step}: {type(wrong).__name__} {wrong}")
        report.seen += history.seen
    return report

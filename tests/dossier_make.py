"""Small builders for tests of dossiers: offices with their people, one made-up procedure, and dossiers that move between them.

``place(tx)`` fills a transaction; ``Bench(database)`` commits each act by itself, as the edges do.

    bench = Bench.on(database)
    dossier = bench.receive()
    handover = bench.offer(dossier)            # by the desk, to the branch
    bench.accept(handover)                     # by the branch
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from landdb.access import store as access
from landdb.access.add_office import add_office
from landdb.access.add_staff import add_staff
from landdb.access.grant_role import grant_role
from landdb.access.permissions import permissions_of
from landdb.db.transaction import SYSTEM, Actor, Database, Tx, new_id
from landdb.dossier import store
from landdb.dossier.model import Dossier, Handover
from landdb.dossier.record import record
from landdb.reference.model import fold
from landdb.sealing.keys import Keys

KEYS = Keys(((1, b"k" * 32),))
PROCEDURE_ID = 990_001
PROCEDURE_CODE = "9.999001"
COMMUNE = 800_001

# stage, name, national status, hours, pause, first, last
STAGES: tuple[tuple[str, str, int, int | None, str | None], ...] = (
    ("received", "Tiếp nhận", 2, 8, None),
    ("in_process", "Đang xử lý", 4, 40, None),
    ("wait_citizen", "Chờ bổ sung", 5, None, "supplement"),
    ("at_tax", "Chờ thuế", 4, None, "tax"),
    ("wait_payment", "Chờ nộp tiền", 6, None, "payment"),
    ("posting", "Niêm yết", 4, None, "posting"),
    ("inspection", "Thẩm tra", 4, None, "inspection"),
    ("to_sign", "Trình ký", 4, 8, None),
    ("signed", "Đã ký", 4, 8, None),
    ("ready", "Có kết quả", 9, None, None),
    ("closed", "Đã trả kết quả", 10, None, None),
    ("refused", "Từ chối", 3, None, None),
    ("withdrawn", "Công dân rút", 7, None, None),
)
LAST = ("closed", "refused", "withdrawn")
_OFFICE_WORK = ("branch", "provincial_office", "commune_committee")
_DESKS = ("commune_desk", "branch", "provincial_office")
# from, action, to, button, duty, kinds of office, needs a reason, papers, signature
STEPS: tuple[tuple[str, str, str, str, str, tuple[str, ...], bool, tuple[str, ...], bool], ...] = (
    ("received", "take_up", "in_process", "Thụ lý", "dossier:work", _OFFICE_WORK, False, (), False),
    ("received", "ask_supplement", "wait_citizen", "Yêu cầu bổ sung", "dossier:receive", _DESKS, True, (), False),
    ("received", "refuse", "refused", "Từ chối", "dossier:receive", _DESKS, True, (), False),
    ("received", "withdraw", "withdrawn", "Rút hồ sơ", "dossier:receive", _DESKS, True, (), False),
    ("in_process", "ask_supplement", "wait_citizen", "Yêu cầu bổ sung", "dossier:work", _OFFICE_WORK, True, (), False),
    ("wait_citizen", "supplement_received", "in_process", "Đã bổ sung", "dossier:work", _OFFICE_WORK, False, (), False),
    ("wait_citizen", "withdraw", "withdrawn", "Rút hồ sơ", "dossier:work", _OFFICE_WORK, True, (), False),
    ("in_process", "send_to_tax", "at_tax", "Chuyển thuế", "dossier:work", _OFFICE_WORK, False, (), False),
    ("at_tax", "tax_answered", "in_process", "Thuế trả lời", "dossier:tax", ("tax",), False, (), False),
    ("in_process", "await_payment", "wait_payment", "Chờ nộp tiền", "dossier:work", _OFFICE_WORK, False, (), False),
    ("wait_payment", "payment_confirmed", "in_process", "Đã nộp tiền", "dossier:work", _OFFICE_WORK, False, (), False),
    ("in_process", "start_posting", "posting", "Niêm yết", "dossier:work", _OFFICE_WORK, False, (), False),
    ("posting", "end_posting", "in_process", "Hết niêm yết", "dossier:work", _OFFICE_WORK, False, (), False),
    ("in_process", "start_inspection", "inspection", "Thẩm tra", "dossier:work", _OFFICE_WORK, False, (), False),
    ("inspection", "end_inspection", "in_process", "Xong thẩm tra", "dossier:work", _OFFICE_WORK, False, (), False),
    ("in_process", "refuse", "refused", "Từ chối", "dossier:work", _OFFICE_WORK, True, (), False),
    ("in_process", "submit_for_signature", "to_sign", "Trình ký", "dossier:work", _OFFICE_WORK, False, (), False),
    ("to_sign", "send_back", "in_process", "Trả lại", "dossier:sign", _OFFICE_WORK, True, (), False),
    ("to_sign", "sign", "signed", "Ký", "dossier:sign", _OFFICE_WORK, False, (), False),
    ("signed", "prepare_result", "ready", "Chuyển trả kết quả", "dossier:work", _OFFICE_WORK, False, (), False),
    ("ready", "return_result", "closed", "Trả kết quả", "dossier:return", _DESKS, False, (), False),
)


@dataclass(frozen=True)
class Places:
    """The offices by what they are, and the people by what they do. ``closed`` ended on 1 July 2025; ``branch`` is its heir."""

    province: int
    branch: int
    other_branch: int
    desk: int
    committee: int
    tax: int
    department: int
    closed: int
    clerk: Actor
    second_clerk: Actor
    officer: Actor
    colleague: Actor
    head: Actor
    other_officer: Actor
    leader: Actor
    tax_officer: Actor
    province_officer: Actor
    supervisor: Actor
    second_supervisor: Actor

    def at(self, office_id: int) -> Actor:
        """Somebody who hands over and works there."""
        return next(
            person
            for person in (
                self.clerk,
                self.officer,
                self.other_officer,
                self.leader,
                self.tax_officer,
                self.province_officer,
            )
            if person.office_id == office_id
        )


def place(tx: Tx) -> Places:
    """A province with its offices, their people, the hours of work and the procedure."""
    add_commune(tx)
    add_hours(tx)
    add_procedure(tx)
    province = add_office(tx, code="VP", name="Văn phòng đăng ký", kind="provincial_office")
    branch = add_office(tx, code="CN1", name="Chi nhánh khu vực 1", kind="branch", parent_id=province)
    other = add_office(tx, code="CN2", name="Chi nhánh khu vực 2", kind="branch", parent_id=province)
    desk = add_office(tx, code="MC1", name="Một cửa xã Thử Nghiệm", kind="commune_desk")
    committee = add_office(tx, code="UB1", name="UBND xã Thử Nghiệm", kind="commune_committee")
    tax = add_office(tx, code="TH1", name="Thuế cơ sở 1", kind="tax")
    department = add_office(tx, code="SO", name="Sở Nông nghiệp và Môi trường", kind="department")
    closed = add_office(tx, code="CN9", name="Chi nhánh huyện cũ", kind="branch")
    for office, days in ((closed, "(,2025-07-01)"), (branch, "[2025-07-01,)"), (desk, "(,)"), (committee, "(,)")):
        tx.execute(
            "INSERT INTO office_commune (office_id, admin_unit_id, valid) VALUES (:office, :unit, CAST(:days AS daterange))",
            office=office, unit=COMMUNE, days=days,
        )  # fmt: skip
    tx.execute("UPDATE office SET valid = '(,2025-07-01)' WHERE office_id = :id", id=closed)
    return Places(
        province, branch, other, desk, committee, tax, department, closed,
        clerk=add_person(tx, "tiepnhan", desk, "desk_officer"),
        second_clerk=add_person(tx, "tiepnhan2", desk, "desk_officer"),
        officer=add_person(tx, "canbo", branch, "land_officer"),
        colleague=add_person(tx, "dongnghiep", branch, "land_officer"),
        head=add_person(tx, "truongcn", branch, "branch_head"),
        other_officer=add_person(tx, "canbo2", other, "land_officer"),
        leader=add_person(tx, "chutich", committee, "commune_leader"),
        tax_officer=add_person(tx, "thue", tax, "tax_officer"),
        province_officer=add_person(tx, "vanphong", province, "registrar"),
        supervisor=add_person(tx, "giamsat", province, "supervisor"),
        second_supervisor=add_person(tx, "giamsat2", province, "supervisor"),
    )  # fmt: skip


def add_commune(tx: Tx) -> None:
    """The commune that the desk and the branch serve (the one of ``tests.make``)."""
    if tx.execute("SELECT 1 FROM admin_unit WHERE admin_unit_id = :id", id=COMMUNE).first() is None:
        from tests.make import add_unit

        add_unit(tx, COMMUNE)


def add_hours(tx: Tx) -> None:
    """Monday to Friday, 7:30–11:30 and 13:30–17:00, unless hours are loaded already."""
    tx.execute(
        """INSERT INTO working_hours (weekday, opens_at, closes_at, valid, confirmed, source)
           SELECT d, h.opens, h.closes, '(,)', false, 'test'
           FROM generate_series(1, 5) AS d, (VALUES (TIME '07:30', TIME '11:30'), (TIME '13:30', TIME '17:00'))
                AS h (opens, closes)
           WHERE NOT EXISTS (SELECT 1 FROM working_hours)"""
    )


def add_procedure(
    tx: Tx, procedure_id: int = PROCEDURE_ID, code: str = PROCEDURE_CODE, *, hours: int | None = 80, registers: bool = False
) -> int:  # fmt: skip
    """A made-up procedure with every stage and step; ``hours`` null: set by the office. Paper 1 (DON) is required, 2 is not."""
    tx.execute(
        """INSERT INTO procedure (procedure_id, code, name_vi, name_en, limit_working_hours, limit_source, needs_registration,
                                  valid, confirmed, source)
           VALUES (:id, :code, 'Thủ tục thử', 'A trial procedure', :hours,
                   CASE WHEN CAST(:hours AS integer) IS NOT NULL THEN 'test' END, :registers, '(,)', false, 'test')""",
        id=procedure_id, code=code, hours=hours, registers=registers,
    )  # fmt: skip
    tx.execute(
        """INSERT INTO procedure_stage (procedure_id, stage, name_vi, name_en, national_status, limit_working_hours, pause_reason,
                                        is_first, is_last, source)
           VALUES (:id, :stage, :name, :stage, :status, :hours, :pause, :stage = 'received', :last, 'test')""",
        [
            {"id": procedure_id, "stage": stage, "name": name, "status": status, "hours": limit, "pause": pause,
             "last": stage in LAST}
            for stage, name, status, limit, pause in STAGES
        ],
    )  # fmt: skip
    tx.execute(
        """INSERT INTO procedure_step (procedure_id, from_stage, action, to_stage, name_vi, name_en, duty, office_kinds,
                                       needs_reason, needs_papers, needs_signature, source)
           VALUES (:id, :source, :action, :target, :name, :action, :duty, :kinds, :reason, :papers, :signature, 'test')""",
        [
            {"id": procedure_id, "source": source, "action": action, "target": target, "name": name, "duty": duty,
             "kinds": list(kinds), "reason": reason, "papers": list(papers), "signature": signature}
            for source, action, target, name, duty, kinds, reason, papers, signature in STEPS
        ],
    )  # fmt: skip
    tx.execute(
        """INSERT INTO procedure_paper (procedure_id, paper_no, doc_type, name_vi, name_en, required, confirmed, source)
           VALUES (:id, 1, 'DON', 'Đơn đăng ký', 'Application form', true, false, 'test'),
                  (:id, 2, 'GCN', 'Giấy chứng nhận', 'Certificate', false, false, 'test')""",
        id=procedure_id,
    )
    return procedure_id


def add_person(tx: Tx, login: str, office_id: int, *roles: str) -> Actor:
    """A member of staff with roles, as the actor that a sign-in would give."""
    staff_id = add_staff(tx, login=login, full_name=login.title(), office_id=office_id)
    for role in roles:
        grant_role(tx, staff_id, role)
    return Actor(
        "staff", staff_id=staff_id, office_id=office_id, name=login, permissions=permissions_of(frozenset(roles))
    )


def add_dossier(tx: Tx, office_id: int, **columns: Any) -> Dossier:
    """A dossier received at an office, with its number, person, running clock and first event; no papers."""
    number = tx.execute(
        """INSERT INTO dossier_number (office_id, day, last_no) VALUES (:office, :day, 1)
           ON CONFLICT (office_id, day) DO UPDATE SET last_no = dossier_number.last_no + 1 RETURNING last_no""",
        office=office_id, day=tx.today,
    ).scalar_one()  # fmt: skip
    office = access.get_office(tx, office_id)
    assert office is not None
    made = store.add_dossier(
        tx,
        **{
            "code": f"{office.code}-{tx.today:%y%m%d}-{number:04}",
            "procedure_id": PROCEDURE_ID,
            "stage": "received",
            "intake_office_id": office_id,
            "channel": 1,
            "commune_id": COMMUNE,
            **columns,
        },
    )
    tx.execute(
        "INSERT INTO dossier_person (dossier_id, role, name, name_folded) VALUES (:id, 'applicant', :name, :folded)",
        id=made.dossier_id, name="Người Thử", folded=fold("Người Thử"),
    )  # fmt: skip
    tx.execute(
        "INSERT INTO deadline (dossier_id, stage, office_id, started_at) VALUES (:id, :stage, :office, :now)",
        id=made.dossier_id, stage=made.stage, office=office_id, now=tx.now,
    )  # fmt: skip
    return record(tx, made, "received", {"channel": made.channel, "code": made.code})


def add_paper(
    tx: Tx, dossier_id: UUID, content: bytes = b"giay", *, doc_type: str = "DON", name: str = "don.pdf", state: str = "verified"
) -> UUID:  # fmt: skip
    """A document with its blob and its event, without its file."""
    digest = hashlib.sha256(content).hexdigest()
    tx.execute(
        """INSERT INTO blob (sha256, size_bytes, media_type, state, verified_at)
           VALUES (:sha256, :size, 'application/pdf', :state, :now) ON CONFLICT (sha256) DO UPDATE SET state = excluded.state""",
        sha256=digest, size=len(content), state=state, now=tx.now,
    )  # fmt: skip
    document_id = new_id()
    tx.execute(
        """INSERT INTO document (document_id, dossier_id, sha256, doc_type, name, added_at)
           VALUES (:id, :dossier, :sha256, :doc_type, :name, :now)""",
        id=document_id, dossier=dossier_id, sha256=digest, doc_type=doc_type, name=name, now=tx.now,
    )  # fmt: skip
    record(tx, store.lock_dossier(tx, dossier_id), "document_added", {"document_id": str(document_id)})
    return document_id


@dataclass
class Bench:
    """Offices at work on one register; each act is a transaction of its own by somebody of the office that may do it."""

    database: Database
    places: Places
    keys: Keys = KEYS
    received: list[Dossier] = field(default_factory=list)

    @classmethod
    def on(cls, database: Database) -> Bench:
        """Fill an empty register."""
        with database.begin(SYSTEM) as tx:
            return cls(database, place(tx))

    def receive(self, office_id: int | None = None, **columns: Any) -> Dossier:
        """A dossier received at an office (the desk), with no papers."""
        by = self.places.at(office_id or self.places.desk)
        with self.database.begin(by) as tx:
            dossier = add_dossier(tx, office_id or self.places.desk, **columns)
        self.received.append(dossier)
        return dossier

    def offer(
        self, dossier: Dossier | UUID, to_office: int | None = None, *, by: Actor | None = None, note: str | None = None
    ) -> Handover:  # fmt: skip
        """Its holder offers it to an office (the branch)."""
        (handover,) = self.offer_many([dossier], to_office, by=by, note=note)
        return handover

    def offer_many(
        self, dossiers: Sequence[Dossier | UUID], to_office: int | None = None, *, by: Actor | None = None,
        note: str | None = None,
    ) -> list[Handover]:  # fmt: skip
        """Their holder offers them in one act."""
        from landdb.dossier.offer import offer

        ids = [_id(dossier) for dossier in dossiers]
        actor = by or self.places.at(self.get(ids[0]).holder_office_id)
        with self.database.begin(actor) as tx:
            offered = offer(tx, self.keys, ids, self.places.branch if to_office is None else to_office, note=note)
        return [each.handover for each in offered if each.handover is not None]

    def accept(self, handover: Handover | UUID, *, by: Actor | None = None) -> Handover:
        """The receiver takes it."""
        from landdb.dossier.accept import accept

        with self.database.begin(by or self._receiver(handover)) as tx:
            return accept(tx, self.keys, _handover_id(handover))

    def refuse(self, handover: Handover | UUID, reason_code: str = "not_ours", *, by: Actor | None = None) -> Handover:
        """The receiver does not take it."""
        from landdb.dossier.refuse import refuse

        with self.database.begin(by or self._receiver(handover)) as tx:
            return refuse(tx, self.keys, _handover_id(handover), reason_code)

    def recall(self, handover: Handover | UUID, *, by: Actor | None = None) -> Handover:
        """The sender takes the offer back."""
        from landdb.dossier.recall import recall

        actor = by or self.places.at(self.handover(handover).from_office_id)
        with self.database.begin(actor) as tx:
            return recall(tx, self.keys, _handover_id(handover))

    def hand_over(self, dossier: Dossier | UUID, to_office: int | None = None) -> Handover:
        """Offered and accepted."""
        return self.accept(self.offer(dossier, to_office))

    def get(self, dossier: Dossier | UUID) -> Dossier:
        """A dossier as it is now."""
        with self.database.begin(SYSTEM) as tx:
            return store.get_dossier(tx, _id(dossier))

    def handover(self, handover: Handover | UUID) -> Handover:
        """A hand-over as it is now."""
        with self.database.begin(SYSTEM) as tx:
            return store.get_handover(tx, _handover_id(handover))

    def ask(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """Rows of a question to the register."""
        with self.database.begin(SYSTEM) as tx:
            return [dict(row) for row in tx.execute(sql, params).mappings()]

    def one(self, sql: str, **params: Any) -> Any:
        """The only value of a question."""
        (row,) = self.ask(sql, **params)
        (value,) = row.values()
        return value

    def broken(self) -> dict[str, list[str]]:
        """Every invariant that does not hold now, with the subjects that break it; empty: all is well."""
        from landdb.views import verify

        with self.database.begin(SYSTEM) as tx:
            found = [verify.broken(tx, check) for check in verify.CHECKS if check != verify.ZONES]
        return {each.check: [example.subject for example in each.examples] for each in found if each}

    def _receiver(self, handover: Handover | UUID) -> Actor:
        return self.places.at(self.handover(handover).to_office_id)


def body_of(message: bytes | memoryview) -> dict[str, Any]:
    """The JSON of a message, a manifest or a receipt."""
    found: dict[str, Any] = json.loads(bytes(message))
    return found


def _id(dossier: Dossier | UUID) -> UUID:
    return dossier.dossier_id if isinstance(dossier, Dossier) else dossier


def _handover_id(handover: Handover | UUID) -> UUID:
    return handover.handover_id if isinstance(handover, Handover) else handover

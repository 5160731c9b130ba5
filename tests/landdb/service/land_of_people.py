"""A small register with made-up holders: rights, identity numbers, certificates, for tests of prefill."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from landdb.db.transaction import Tx, new_id
from landdb.reference.model import fold
from landdb.sealing.identity import CITIZEN, blind_index, encrypt
from landdb.sealing.keys import Keys
from tests.landdb.views.builder import Builder, begin

KEYS = Keys(((1, b"k" * 32),))
MS_HOA, MR_BA, MS_LAN = "000190000001", "000190000002", "000190000003"
COMMUNE, COMMUNE_CODE = 800_001, "98001"


@dataclass
class People:
    """Adds holders to parcels of one sheet; each number of a parcel is a new square beside the last."""

    tx: Tx
    make: Builder
    sheet: UUID
    parcels: int = 0

    @classmethod
    def on(cls, tx: Tx, sheet_no: str = "12") -> People:
        make = begin(tx)
        return cls(tx, make, make.sheet(sheet_no, COMMUNE))

    def parcel(self, number: str) -> UUID:
        west = 20.0 * self.parcels
        self.parcels += 1
        return self.make.parcel(self.sheet, number, (west, 0, west + 20, 20), unit=COMMUNE)

    def claim(self, name: str, identity_no: str | None) -> dict[str, Any]:
        """What an old file says of a holder."""
        claim_id = new_id()
        self.tx.execute(
            """INSERT INTO party_claim (party_claim_id, raw_name, number_encrypted, number_index, registration_id)
               VALUES (:id, :name, :sealed, :index, :act)""",
            id=claim_id, name=name, act=self.make.registration_id,
            sealed=identity_no and encrypt(KEYS, CITIZEN, identity_no),
            index=identity_no and blind_index(KEYS, CITIZEN, identity_no),
        )  # fmt: skip
        return {"party_claim_id": claim_id}

    def party(
        self, name: str, identity_no: str | None, *, born_on: dt.date | None = None, kind: str = "person"
    ) -> dict[str, Any]:
        """A person that the register knows as one."""
        party_id = new_id()
        self.tx.execute(
            """INSERT INTO party (party_id, kind, name, name_folded, born_on, address, registration_id)
               VALUES (:id, :kind, :name, :folded, :born_on, 'ấp Đại Chí', :act)""",
            id=party_id, kind=kind, name=name, folded=fold(name), born_on=born_on, act=self.make.registration_id,
        )  # fmt: skip
        if identity_no:
            self.tx.execute(
                """INSERT INTO party_identity (party_id, kind, number_encrypted, number_index, valid)
                   VALUES (:id, :kind, :sealed, :index, '(,)')""",
                id=party_id, kind=CITIZEN,
                sealed=encrypt(KEYS, CITIZEN, identity_no), index=blind_index(KEYS, CITIZEN, identity_no),
            )  # fmt: skip
        return {"party_id": party_id}

    def member(self, group: dict[str, Any], person: dict[str, Any]) -> None:
        self.tx.execute(
            "INSERT INTO party_member (group_id, member_id) VALUES (:group, :member)",
            group=group["party_id"], member=person["party_id"],
        )  # fmt: skip

    def right(
        self, parcel: UUID, *holders: dict[str, Any], kind: str = "land_use", known_to: dt.datetime | None = None
    ) -> UUID:
        right_id = new_id()
        self.tx.execute(
            """INSERT INTO right_held (right_id, kind, parcel_id, shared, valid, recorded, registration_id)
               VALUES (:id, :kind, :parcel, 'unknown', '(,)', tstzrange(:from, :to), :act)""",
            {"id": right_id, "kind": kind, "parcel": parcel, "act": self.make.registration_id,
             "from": self.tx.now - dt.timedelta(days=1), "to": known_to},
        )  # fmt: skip
        for ordinal, holder in enumerate(holders, 1):
            self.tx.execute(
                """INSERT INTO right_holder (right_id, ordinal, party_id, party_claim_id)
                   VALUES (:right, :ordinal, :party_id, :party_claim_id)""",
                {"right": right_id, "ordinal": ordinal, "party_id": None, "party_claim_id": None, **holder},
            )
        return right_id

    def certificate(self, serial: str, *parcels: UUID, known_to: dt.datetime | None = None) -> UUID:
        certificate_id = new_id()
        self.tx.execute(
            """INSERT INTO certificate (certificate_id, serial_no, serial_folded, register_no, issued_on, state, recorded,
                                        registration_id)
               VALUES (:id, :serial, :folded, 'CH 00001', '2020-05-04', 'as_read', tstzrange(:from, :to), :act)""",
            {"id": certificate_id, "serial": serial, "folded": serial.replace(" ", ""), "act": self.make.registration_id,
             "from": self.tx.now - dt.timedelta(days=1), "to": known_to},
        )  # fmt: skip
        for parcel in parcels:
            self.tx.execute(
                "INSERT INTO certificate_parcel (certificate_id, parcel_id) VALUES (:id, :parcel)",
                id=certificate_id, parcel=parcel,
            )  # fmt: skip
        return certificate_id

    def owns(self, number: str, name: str, identity_no: str, serial: str | None = None) -> UUID:
        """A parcel that an old file gives to one person, with its paper."""
        parcel = self.parcel(number)
        self.right(parcel, self.claim(name, identity_no))
        if serial:
            self.certificate(serial, parcel)
        return parcel

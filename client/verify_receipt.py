#!/usr/bin/env python3
"""Checks a receipt of a hand-over (biên nhận bàn giao hồ sơ) without the register, without a network, without LandDB.

    python3 verify_receipt.py RECEIPT.json KEYS.json [--paper FILE ...]

RECEIPT.json is what an office took home: ``{"receipts": [{"body", "jws"}, ...], "manifest", "seal"}``, or one receipt as
``{"body", "jws"}``; manifest and seal may be left out. KEYS.json is what the register published (``landdb keys publish``): get
it from the register, not from whoever shows you the receipt, or compare the fingerprints. With ``--paper`` a file is looked for
among those that the manifest lists.

Needs Python 3.9 or later and the package ``cryptography``. Exit code: 0 all of it holds, 4 something does not, 2 it cannot be
read.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import hashlib
import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HOLDS, FAILS, UNREADABLE = 0, 4, 2

# What each receipt certifies, in the words of its holder.
KINDS = {
    "stored": ("đơn vị giao đã gửi hồ sơ", "the sender has offered the dossier"),
    "delivered": ("đơn vị nhận đã được báo", "the receiver has been shown the offer"),
    "granted": ("đơn vị nhận giữ hồ sơ từ lúc này", "the receiver holds the dossier from this time on"),
    "released": ("đơn vị giao không còn giữ hồ sơ", "the sender holds the dossier no longer"),
    "returned": ("đơn vị giao vẫn giữ hồ sơ", "the sender holds the dossier still"),
    "refused": ("đơn vị nhận đã từ chối", "the receiver did not take it"),
    "closed": ("lời giao đã được rút lại", "the offer was taken back"),
}


class Unreadable(Exception):
    """The files are not what they should be."""


class Report:
    """What held and what did not, in both languages."""

    def __init__(self) -> None:
        self.failed = 0

    def note(self, holds: bool, vi: str, en: str) -> bool:
        """Tell one thing; whether it holds."""
        print(f"{'[OK]  ' if holds else '[SAI] '} {vi}\n{'':7}{en}")
        self.failed += not holds
        return holds


def main(words: list[str]) -> int:
    """Check the files that are named; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("receipt", type=Path)
    parser.add_argument("keys", type=Path)
    parser.add_argument("--paper", type=Path, action="append", default=[])
    given = parser.parse_args(words)
    report = Report()
    try:
        check(report, read(given.receipt), keys_by_name(read(given.keys)), given.paper)
        if given.keys.samefile(given.receipt):
            print("\nCác khóa đi kèm biên nhận: hãy so dấu vân tay với khóa do cơ quan công bố.")
            print("The keys came with the receipt: compare the fingerprints with those that the office publishes.")
    except Unreadable as error:
        print(f"Không đọc được: {error}\nCannot be read: {error}", file=sys.stderr)
        return UNREADABLE
    if report.failed:
        print(f"\nKHÔNG HỢP LỆ: {report.failed} lỗi.\nNOT VALID: {report.failed} faults.")
        return FAILS
    print("\nHỢP LỆ.\nVALID.")
    return HOLDS


def check(report: Report, papers: dict[str, Any], keys: dict[str, dict[str, Any]], files: list[Path]) -> None:
    """Check every receipt, the manifest, and the files."""
    receipts = papers.get("receipts", [papers])
    if not isinstance(receipts, list) or not receipts:
        raise Unreadable("receipts")
    manifest = as_bytes(papers["manifest"], "manifest") if papers.get("manifest") is not None else None
    for receipt in receipts:
        if not isinstance(receipt, dict) or "body" not in receipt or "jws" not in receipt:
            raise Unreadable("body, jws")
        check_receipt(report, as_bytes(receipt["body"], "body"), receipt["jws"], keys, manifest)
    if manifest is not None:
        # Nobody offers a dossier that is moved by force: the register seals that manifest itself, and its receipts say so.
        forced = all(as_object(as_bytes(each["body"], "body"), "body").get("state") == "forced" for each in receipts)
        check_manifest(report, manifest, papers.get("seal"), keys, forced=forced)
    elif files:
        raise Unreadable("manifest")
    for path in files:
        check_file(report, path, as_object(manifest or b"", "manifest"))


def check_receipt(
    report: Report, body: bytes, jws: Any, keys: dict[str, dict[str, Any]], manifest: bytes | None
) -> None:
    """One receipt: the register's signature, the key's validity, the manifest that it speaks of."""
    told = as_object(body, "body")
    vi, en = KINDS.get(str(told.get("kind")), ("?", "?"))
    print(f"— {told.get('receipt_id')}: {told.get('kind')}\n{'':7}{vi} / {en}")
    print(f"{'':7}hồ sơ / dossier {told.get('dossier_id')}, epoch {told.get('epoch')}, {told.get('hub_time')}")
    print(f"{'':7}sự kiện / event {told.get('event_no')}, {told.get('event_hash')}")
    signed(report, "biên nhận", "receipt", body, jws, keys, None, told.get("hub_time"))
    if manifest is not None:
        report.note(
            told.get("manifest_sha256") == hashlib.sha256(manifest).hexdigest(),
            "Biên nhận nói về đúng bảng kê kèm theo.",
            "The receipt speaks of the manifest beside it.",
        )
        listed = as_object(manifest, "manifest")
        same = all(told.get(name) == listed.get(name) for name in ("handover_id", "dossier_id"))
        report.note(same, "Cùng hồ sơ và cùng lần bàn giao.", "The same dossier and the same hand-over.")


def check_manifest(
    report: Report, manifest: bytes, seal: Any, keys: dict[str, dict[str, Any]], *, forced: bool
) -> None:
    """The manifest: the seal of the office that handed over, or of the register if it was moved by force."""
    told = as_object(manifest, "manifest")
    print(f"— bảng kê / manifest {told.get('handover_id')}: {told.get('from_office')} → {told.get('to_office')}")
    office = None if forced else told.get("from_office")
    jws = seal.get("jws") if isinstance(seal, dict) else seal
    signed(report, "bảng kê", "manifest", manifest, jws, keys, office, told.get("created_at_claimed"))


def check_file(report: Report, path: Path, manifest: dict[str, Any]) -> None:
    """Whether a file's bytes are among those that the manifest lists."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise Unreadable(str(path)) from error
    listed = [item for item in manifest.get("items") or [] if isinstance(item, dict) and item.get("sha256") == digest]
    names = ", ".join(str(item.get("name")) for item in listed)
    report.note(
        bool(listed),
        f"Tệp {path.name} có trong bảng kê: {names}" if listed else f"Tệp {path.name} không có trong bảng kê.",
        f"The file {path.name} is in the manifest: {names}"
        if listed
        else f"The file {path.name} is not in the manifest.",
    )


def signed(
    report: Report, what_vi: str, what_en: str, payload: bytes, jws: Any, keys: dict[str, dict[str, Any]],
    office: Any, at: Any,
) -> None:  # fmt: skip
    """A detached JWS (RFC 7797): who signed, whether the bytes are those, whether the key was good at that time."""
    try:
        header, signature = parts(str(jws))
        fields = json.loads(decoded(header))
        kid = str(fields["kid"])
        shaped = fields == {"alg": "EdDSA", "b64": False, "crit": ["b64"], "kid": kid} and fields["b64"] is False
    except (ValueError, KeyError, TypeError, RecursionError):
        kid, shaped = "?", False
    if not report.note(shaped, f"Con dấu của {what_vi} đọc được.", f"The seal of the {what_en} can be read."):
        return
    key = keys.get(kid)
    known = key is not None and "office_id" in key and key["office_id"] == office
    if not report.note(
        known,
        f"Khóa {kid} đã được công bố và thuộc về đúng bên ký.",
        f"The key {kid} is published and belongs to the right party.",
    ):
        return
    assert key is not None
    report.note(
        verified(key, header, signature, payload),
        f"Chữ ký trên {what_vi} đúng (khóa {kid}, dấu vân tay {thumbprint(key)}).",
        f"The signature on the {what_en} is right (key {kid}, fingerprint {thumbprint(key)}).",
    )
    report.note(
        good_at(key, at),
        f"Khóa có hiệu lực lúc ký: {at}.",
        f"The key was valid at the time of signing: {at}.",
    )


def verified(key: dict[str, Any], header: str, signature: bytes, payload: bytes) -> bool:
    """Ed25519 over the encoded header, a full stop, and the bytes as they are."""
    try:
        public = Ed25519PublicKey.from_public_bytes(decoded(str(key["x"])))
        public.verify(signature, header.encode("ascii") + b"." + payload)
    except (InvalidSignature, ValueError, KeyError):
        return False
    return key.get("kty") == "OKP" and key.get("crv") == "Ed25519"


def good_at(key: dict[str, Any], at: Any) -> bool:
    """Whether the key was valid at a time; one that was revoked later was."""
    try:
        moment = when(at)
        ends = [when(key[name]) for name in ("not_after", "revoked_at") if key.get(name) is not None]
        return when(key["not_before"]) <= moment and all(moment < end for end in ends)
    except (KeyError, ValueError, TypeError):
        return False


def thumbprint(key: dict[str, Any]) -> str:
    """The name of a key by its bytes (RFC 7638): compare it with the one that the office has on its wall."""
    members = json.dumps({name: key.get(name) for name in ("crv", "kty", "x")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).rstrip(b"=").decode()


def keys_by_name(published: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The keys of a JSON Web Key Set by their names."""
    keys = published.get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, dict) and "kid" in key for key in keys):
        raise Unreadable("keys")
    found = {str(key["kid"]): key for key in keys}
    if len(found) != len(keys):
        raise Unreadable("keys: kid")
    return found


def read(path: Path) -> dict[str, Any]:
    """A JSON object in a file."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(str(path)) from error
    return as_object(text.encode(), str(path))


def as_object(text: bytes, name: str) -> dict[str, Any]:
    """A JSON object. Of two members of one name nobody knows which was meant: refused."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError("a name twice")
        return members

    try:
        value = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise Unreadable(name) from error
    if not isinstance(value, dict):
        raise Unreadable(name)
    return value


def as_bytes(value: Any, name: str) -> bytes:
    """What was signed: the text as it is, or an object put in canonical form (RFC 8785, without fractions)."""
    if not isinstance(value, (str, dict)):
        raise Unreadable(name)
    try:
        return (value if isinstance(value, str) else written(value, name)).encode()
    except (UnicodeEncodeError, RecursionError) as error:
        raise Unreadable(name) from error


def written(value: Any, name: str) -> str:
    """Canonical JSON: members by their UTF-16 code units, no blanks, text in NFC."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda each: each.encode("utf-16-be"))
        return "{" + ",".join(f"{written(each, name)}:{written(value[each], name)}" for each in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(each, name) for each in value) + "]"
    if isinstance(value, str):
        return json.dumps(unicodedata.normalize("NFC", value), ensure_ascii=False)
    if isinstance(value, float):
        raise Unreadable(name)
    return json.dumps(value)


def parts(jws: str) -> tuple[str, bytes]:
    """Header and signature of a detached JWS."""
    header, empty, signature = jws.split(".")
    if empty:
        raise ValueError("not detached")
    return header, decoded(signature)


def decoded(text: str) -> bytes:
    """Base64url without padding, in its one spelling."""
    value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if base64.urlsafe_b64encode(value).rstrip(b"=") != text.encode():
        raise ValueError("base64url")
    return value


def when(text: Any) -> dt.datetime:
    """A moment as the register writes it."""
    return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.timezone.utc)  # noqa: UP017 - runs on Python 3.9


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):  # a terminal of Windows writes another code page
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")
    sys.exit(main(sys.argv[1:]))

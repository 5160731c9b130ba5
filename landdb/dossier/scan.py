"""Looking for viruses in a paper before it is linked to a dossier; which scanner does it is the office's choice (quét mã độc)."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from landdb.errors import Unavailable

_EICAR: Final = (
    b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
)  # in two, lest a scanner eats us
_CHUNK_BYTES: Final = 1 << 20


class ScannerUnavailable(Unavailable):
    """The scanner that is configured does not answer: nothing is taken unscanned in its place."""

    code = "dossier.scanner_unavailable"


@dataclass(frozen=True)
class Scan:
    """What a scanner says. ``found`` null: nothing; ``said`` null: nobody looked."""

    found: str | None
    said: str | None


class Scanner(Protocol):
    """Whatever can look at a file."""

    def scan(self, path: Path) -> Scan:
        """Look at one file. Raises: ``ScannerUnavailable``."""


class NoScanner:
    """No scanner is configured. The standard test file is caught all the same, so that the way of a find can be tried."""

    def scan(self, path: Path) -> Scan:
        with path.open("rb") as stream:
            found = stream.read(len(_EICAR) + 128).lstrip().startswith(_EICAR)
        return Scan("EICAR test file", "built in") if found else Scan(None, None)


@dataclass(frozen=True)
class ClamdScanner:
    """ClamAV's daemon behind a unix socket (command INSTREAM): it reads our bytes and needs no right to our files."""

    address: Path
    timeout_s: float = 120.0

    def scan(self, path: Path) -> Scan:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line, path.open("rb") as stream:
                line.settimeout(self.timeout_s)
                line.connect(str(self.address))
                line.sendall(b"zINSTREAM\x00")
                while chunk := stream.read(_CHUNK_BYTES):
                    line.sendall(struct.pack("!L", len(chunk)) + chunk)
                line.sendall(struct.pack("!L", 0))
                answer = _all_of(line)
        except OSError as error:
            raise ScannerUnavailable() from error
        return _read(answer)


def _all_of(line: socket.socket) -> str:
    answer = b""
    while not answer.endswith(b"\x00") and (piece := line.recv(4096)):
        answer += piece
    return answer.decode("utf-8", "replace").strip("\x00\n ")


def _read(answer: str) -> Scan:
    """``stream: OK``, ``stream: Eicar-Signature FOUND``, or what went wrong."""
    said = answer.removeprefix("stream:").strip()
    if said == "OK":
        return Scan(None, "clamd: OK")
    if said.endswith(" FOUND"):
        return Scan(said.removesuffix(" FOUND"), f"clamd: {said}")
    raise ScannerUnavailable()


def scanner_at(address: Path | None) -> Scanner:
    """The scanner of this installation; null, or a setting left empty: none."""
    return NoScanner() if address is None or address == Path() else ClamdScanner(address)

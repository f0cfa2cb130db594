"""Is a file known malware? One question, three answers; not knowing is never "clean".

`ClamAV` speaks clamd's INSTREAM over a socket. The simulator finds the EICAR test string. Setting
``FARO_VIRUS_SCANNER``: ``tcp://host:3310``, ``unix:///run/clamav/clamd.ctl``, ``simulated``, or
empty for none, of which production is warned.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

#: For a whole scan, from connecting to the answer, however the scanner drips.
TIMEOUT_S: Final = 8
CHUNK_BYTES: Final = 64 * 1024
_ANSWER_MAX: Final = 4096
#: The industry's harmless test file, in two parts so that no scanner stops at this source.
EICAR: Final = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class Verdict(StrEnum):
    """What a scanner says. ``NONE``: this house asks no scanner."""

    CLEAN = "clean"
    INFECTED = "infected"
    UNKNOWN = "unknown"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Scan:
    """A verdict and the scanner's own words."""

    verdict: Verdict
    detail: str
    #: Nobody answered at all: asking about the next file now would only wait again.
    is_silence: bool = False


class Scanner(Protocol):
    """Asked outside any transaction. Never raises: what went wrong is ``UNKNOWN`` and why."""

    def scan(self, content: bytes) -> Scan: ...


@dataclass(frozen=True, slots=True)
class ClamAV:
    """clamd at an address; ``INSTREAM`` with length-prefixed chunks, ended by a length of zero."""

    address: str
    timeout_s: int = TIMEOUT_S

    def scan(self, content: bytes) -> Scan:
        until = time.monotonic() + self.timeout_s
        try:
            with self._connected() as connection:
                _send(connection, b"zINSTREAM\0", until)
                for at in range(0, len(content), CHUNK_BYTES):
                    chunk = content[at : at + CHUNK_BYTES]
                    _send(connection, len(chunk).to_bytes(4, "big") + chunk, until)
                _send(connection, b"\0\0\0\0", until)
                answer = _answer(connection, until)
        except OSError as wrong:
            words = f"the scanner did not answer: {type(wrong).__name__}"
            return Scan(Verdict.UNKNOWN, words, is_silence=True)
        return _read(answer)

    def _connected(self) -> socket.socket:
        where = urlsplit(self.address)
        if where.scheme == "unix":
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(self.timeout_s)
            try:
                made.connect(where.path)
            except OSError:
                made.close()
                raise
            return made
        return socket.create_connection((where.hostname, where.port or 3310), self.timeout_s)


def _bound(connection: socket.socket, until: float) -> None:
    """Let the next call on the socket take no longer than until the one deadline."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)


def _send(connection: socket.socket, content: bytes, until: float) -> None:
    _bound(connection, until)
    connection.sendall(content)


def _answer(connection: socket.socket, until: float) -> bytes:
    answer = b""
    while not answer.endswith(b"\0") and len(answer) < _ANSWER_MAX:
        _bound(connection, until)
        part = connection.recv(1024)
        if not part:
            break
        answer += part
    return answer.rstrip(b"\0\n")


def _read(answer: bytes) -> Scan:
    words = answer.decode("utf-8", "replace")[:200]
    if words == "stream: OK":
        return Scan(Verdict.CLEAN, "")
    if words.startswith("stream: ") and words.endswith(" FOUND"):
        return Scan(Verdict.INFECTED, words[len("stream: ") : -len(" FOUND")])
    return Scan(Verdict.UNKNOWN, f"the scanner said: {words or 'nothing'}")


@dataclass(frozen=True, slots=True)
class SimulatedScanner:
    """For tests and the demonstration: the EICAR string is infected, all else is clean."""

    def scan(self, content: bytes) -> Scan:
        if EICAR in content:
            return Scan(Verdict.INFECTED, "Eicar-Test-Signature")
        return Scan(Verdict.CLEAN, "")


@dataclass(frozen=True, slots=True)
class NoScanner:
    """The house asks none, and the officer's page says so."""

    def scan(self, content: bytes) -> Scan:
        return Scan(Verdict.NONE, "no scanner is set")


@lru_cache(maxsize=8)
def _made(address: str) -> Scanner:
    if not address:
        return NoScanner()
    if address == "simulated":
        return SimulatedScanner()
    where = urlsplit(address)
    if (where.scheme == "tcp" and where.hostname) or (where.scheme == "unix" and where.path):
        return ClamAV(address)
    raise ImproperlyConfigured(
        "FARO_VIRUS_SCANNER is tcp://host:port, unix:///path, simulated or empty"
    )


def scanner() -> Scanner:
    """The house's scanner. Raises ``ImproperlyConfigured`` for an address that is none."""
    return _made(settings.FARO_VIRUS_SCANNER)

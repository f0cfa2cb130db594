"""Which loopback ports a run uses."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from casino.supervisor.failure import CannotStart

HOST = "127.0.0.1"
#: So many ports above the web's are tried before any free one is taken.
NEIGHBOURS_MAX = 20


@dataclass(frozen=True, slots=True)
class Ports:
    """One port per listener of ours. The web's is chosen by a person, the others follow it."""

    web: int
    psp: int
    stream: int
    devices: tuple[int, ...]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def any_free(count: int) -> list[int]:
    """So many different ports that were free a moment ago."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def choose(web: int, *, devices: int) -> Ports:
    """The wanted web port (0: any), free neighbours, and ``devices`` ports for the studio.

    Raises ``CannotStart`` when the wanted one is taken.
    """
    anywhere = any_free(devices + 3)
    if web == 0:
        psp, stream, web = anywhere[:3]
        return Ports(web, psp, stream, tuple(anywhere[3:]))
    if not is_free(web):
        raise CannotStart(
            f"port {web} is in use or not allowed; choose another, for example: "
            f"bin/up --port {web + 100 if web < 65000 else 8000}"
        )
    above = range(web + 1, min(web + 1 + NEIGHBOURS_MAX, 65536))
    neighbours = [port for port in above if is_free(port)]
    psp, stream = [*neighbours, *anywhere][:2]
    return Ports(web, psp, stream, tuple(anywhere[3:]))

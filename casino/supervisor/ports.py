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
    wheel: int


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def any_free() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def choose(web: int) -> Ports:
    """The wanted web port (0: any) and free neighbours. Raises ``CannotStart`` when it is taken."""
    if web == 0:
        return Ports(any_free(), any_free(), any_free(), any_free())
    if not is_free(web):
        raise CannotStart(
            f"port {web} is in use or not allowed; choose another, for example: "
            f"bin/up --port {web + 100 if web < 65000 else 8000}"
        )
    above = range(web + 1, min(web + 1 + NEIGHBOURS_MAX, 65536))
    neighbours = [port for port in above if is_free(port)]
    neighbours += [any_free() for _ in range(3)]
    return Ports(web, *neighbours[:3])

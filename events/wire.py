"""The one frame in which an event travels: Valkey, sockets and the API, byte for byte the same.

``{"v":1,"s":"t:alexandria","e":"a1b2c3d4","n":4182,"k":"phase","t":<ms>,"d":{…}}``: version,
stream, epoch, number, kind, when it was written, data. Deadlines inside are absolute, never
"seconds left".
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from events.stream import Event
from kernel.clock import epoch_ms

VERSION: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def frame(event: Event) -> str:
    """``event`` as compact JSON, keys in the order of the protocol."""
    return compact(
        {
            "v": VERSION,
            "s": event.stream,
            "e": event.epoch,
            "n": event.seq,
            "k": event.kind,
            "t": epoch_ms(event.at),
            "d": event.data,
        }
    )


def compact(message: dict[str, Any]) -> str:
    """``message`` as the text that goes over the wire: no blanks, keys as they come."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


def parse(text: str | bytes) -> Event:
    """The event of a frame of ours; its time to the millisecond. ``ValueError`` for anything else.

    For frames that come back from Valkey, which we wrote: nothing a player sends is parsed here.
    """
    try:
        raw = json.loads(text)
        if raw["v"] != VERSION:
            raise ValueError(f"frame version {raw['v']!r}")
        at = _EPOCH + timedelta(milliseconds=raw["t"])
        return Event(raw["s"], raw["e"], raw["n"], raw["k"], at, raw["d"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"no frame: {error}") from error

"""One line of JSON per event on standard error."""

from __future__ import annotations

import json
import logging
from typing import Final

from kernel.clock import Clock

logger = logging.getLogger("faro.stream")

#: An encoder's complaint or a traceback can be long; a log line is not.
TEXT_LENGTH_MAX: Final = 2000


class JsonLines(logging.Formatter):
    """The record's message is the event's name; what was passed as ``facts`` stands beside it."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": self._clock.now().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": "stream",
            "event": record.getMessage()[:TEXT_LENGTH_MAX],
        }
        facts = getattr(record, "facts", None)
        if isinstance(facts, dict):
            line |= facts
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)[-TEXT_LENGTH_MAX:]
        return json.dumps(line, default=str)


def set_up(clock: Clock) -> None:
    """Send this process's logs, the web server's included, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(clock))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def say(event: str, *, level: int = logging.INFO, **facts: object) -> None:
    """Log ``event`` with its facts."""
    logger.log(level, event, extra={"facts": facts})

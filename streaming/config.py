"""The stream process's configuration file: JSON, read strictly, errors in one line.

``{"state_dir": "/var/lib/faro/stream", "host": "127.0.0.1", "port": 8030,
"allowed_origins": ["http://127.0.0.1:8000"],
"tables": [{"id": "alexandria", "name": "Alexandria", "camera": "card"}]}``

``camera`` is ``card`` (a quiet generated picture), the path of a video file (played for ever at its
own speed), or a URL that ffmpeg reads (rtsp, rtmp, srt, http, https, udp).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

CARD: Final = "card"
TABLES_MAX: Final = 32
_TABLE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_SCHEMES: Final = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "srt", "http", "https", "udp"})


class ConfigError(Exception):
    """The file cannot be used; the message says why, in one line, without a traceback."""


@dataclass(frozen=True, slots=True)
class TableSource:
    """One table's picture."""

    id: str
    name: str
    camera: str

    @property
    def is_card(self) -> bool:
        return self.camera == CARD

    @property
    def is_url(self) -> bool:
        return urlsplit(self.camera).scheme in _SCHEMES


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """Everything the process is told."""

    state_dir: Path
    host: str
    port: int  # 0: any free port; the log says which
    allowed_origins: frozenset[str]
    tables: tuple[TableSource, ...]


def load(path: Path) -> StreamConfig:
    """The configuration in ``path``; raises :class:`ConfigError`."""
    try:
        stored = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    return parse(stored)


def parse(stored: object) -> StreamConfig:
    """The configuration out of parsed JSON; unknown and missing keys are errors."""
    known = {"state_dir", "host", "port", "allowed_origins", "tables"}
    fields = _object("the file", stored, required={"state_dir", "port", "tables"}, known=known)
    port = fields["port"]
    if type(port) is not int or not 0 <= port <= 65535:
        raise ConfigError("port must be a whole number from 0 to 65535")
    origins = _list("allowed_origins", fields.get("allowed_origins", []))
    tables = _list("tables", fields["tables"])
    if not 1 <= len(tables) <= TABLES_MAX:
        raise ConfigError(f"tables must list 1 to {TABLES_MAX} tables")
    sources = tuple(_table(table) for table in tables)
    if len({source.id for source in sources}) != len(sources):
        raise ConfigError("two tables have the same id")
    return StreamConfig(
        state_dir=Path(_text("state_dir", fields["state_dir"])).absolute(),
        host=_text("host", fields.get("host", "127.0.0.1")),
        port=port,
        allowed_origins=frozenset(_origin(origin) for origin in origins),
        tables=sources,
    )


def _table(stored: object) -> TableSource:
    names = {"id", "name", "camera"}
    fields = _object("a table", stored, required=names, known=names)
    source = TableSource(
        id=_text("id", fields["id"]),
        name=_text("name", fields["name"]),
        camera=_text("camera", fields["camera"]),
    )
    if not _TABLE_ID.fullmatch(source.id):
        raise ConfigError(f"table id {source.id!r} must be lower-case letters, digits and dashes")
    if "://" in source.camera and not source.is_url:
        raise ConfigError(
            f"camera of {source.id}: scheme must be one of {', '.join(sorted(_SCHEMES))}"
        )
    return source


def _origin(origin: object) -> str:
    text = _text("allowed_origins", origin)
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or text != f"{parts.scheme}://{parts.netloc}":
        raise ConfigError(f"{text!r} is not an origin such as https://play.example")
    return text


def _object(what: str, value: object, *, required: set[str], known: set[str]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"{what} must be a JSON object")
    for word, names in (("lacks", required - set(value)), ("has unknown", set(value) - known)):
        if names:
            raise ConfigError(f"{what} {word} {', '.join(sorted(names))}")
    return value


def _list(what: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise ConfigError(f"{what} must be a list")
    return value


def _text(what: str, value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > 1024 or not value.isprintable():
        raise ConfigError(f"{what} must be a line of text")
    return value

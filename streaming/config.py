"""The stream process's configuration file: JSON, read strictly, errors in one line.

``{"state_dir": "/var/lib/faro/stream", "host": "127.0.0.1", "port": 8030,
"allowed_origins": ["http://127.0.0.1:8000"],
"tables": [{"id": "alexandria", "name": "Alexandria", "camera": "card"}]}``

``camera`` is ``card`` (a quiet generated picture), the path of a video file (played for ever at its
own speed), ``tcp://host:port`` (raw pictures as YUV4MPEG2), or a URL that ffmpeg reads (rtsp, rtmp,
srt, http, https, udp).

Two optional keys of a table: ``ladder``, a list of ``{"name": "360p", "height": 360,
"frames_per_second": 30, "rate_kbps": 800}``, the first being where players start; without it a
camera gets ``streaming.ladder.FULL``. ``camera_delay_ms``: how long after the fact a picture
reaches us (a camera's own encoder and network); the stream's times are earlier by so much.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from streaming import ladder
from streaming.ladder import RUNGS_MAX, Ladder, Rung

CARD: Final = "card"
TABLES_MAX: Final = 32
_TABLE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_RUNG_NAME: Final = re.compile(r"[a-z0-9]{1,12}")
_RAW: Final = "tcp"
SCHEMES: Final = frozenset({_RAW, "rtsp", "rtsps", "rtmp", "rtmps", "srt", "http", "https", "udp"})
#: No camera and network are slower than this; more is a mistake in the file.
_CAMERA_DELAY_MS_MAX: Final = 10_000


class ConfigError(Exception):
    """The file cannot be used; the message says why, in one line, without a traceback."""


@dataclass(frozen=True, slots=True)
class TableSource:
    """One table's picture."""

    id: str
    name: str
    camera: str
    ladder: Ladder
    camera_delay_ms: int = 0

    @property
    def is_card(self) -> bool:
        return self.camera == CARD

    @property
    def is_url(self) -> bool:
        return urlsplit(self.camera).scheme in SCHEMES

    @property
    def is_raw(self) -> bool:
        """Uncompressed pictures over TCP, without times of their own."""
        return urlsplit(self.camera).scheme == _RAW


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
    port = _number("port", fields["port"], least=0, most=65535)
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
    optional = {"ladder", "camera_delay_ms"}
    fields = _object("a table", stored, required=names, known=names | optional)
    table, camera = _text("id", fields["id"]), _text("camera", fields["camera"])
    if not _TABLE_ID.fullmatch(table):
        raise ConfigError(f"table id {table!r} must be lower-case letters, digits and dashes")
    source = TableSource(
        id=table,
        name=_text("name", fields["name"]),
        camera=camera,
        ladder=_ladder(fields["ladder"]) if "ladder" in fields else _usual_ladder(camera),
        camera_delay_ms=_number(
            "camera_delay_ms", fields.get("camera_delay_ms", 0), least=0, most=_CAMERA_DELAY_MS_MAX
        ),
    )
    if "://" in camera and not source.is_url:
        raise ConfigError(f"camera of {table}: scheme must be one of {', '.join(sorted(SCHEMES))}")
    return source


def _usual_ladder(camera: str) -> Ladder:
    return ladder.CARD if camera == CARD else ladder.FULL


def _ladder(stored: object) -> Ladder:
    rungs = tuple(_rung(rung) for rung in _list("ladder", stored))
    if not 1 <= len(rungs) <= RUNGS_MAX:
        raise ConfigError(f"ladder must list 1 to {RUNGS_MAX} rungs")
    if len({rung.name for rung in rungs}) != len(rungs):
        raise ConfigError("two rungs of a ladder have the same name")
    return rungs


def _rung(stored: object) -> Rung:
    names = {"name", "height", "frames_per_second", "rate_kbps"}
    fields = _object("a rung", stored, required=names, known=names)
    name = _text("a rung's name", fields["name"])
    if not _RUNG_NAME.fullmatch(name):
        raise ConfigError(f"a rung's name {name!r} must be lower-case letters and digits")
    return Rung(
        name=name,
        height=_number("height", fields["height"], least=90, most=2160),
        frames_per_second=_number(
            "frames_per_second", fields["frames_per_second"], least=1, most=60
        ),
        rate_kbps=_number("rate_kbps", fields["rate_kbps"], least=50, most=50_000),
    )


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


def _number(what: str, value: object, *, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ConfigError(f"{what} must be a whole number from {least} to {most}")
    return value

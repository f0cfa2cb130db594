"""Reading fragmented MP4 as it comes out of an encoder. Pure: bytes in, values out.

Only what publishing needs is read (ISO/IEC 14496-12, box names as there): where boxes end, the
picture's codec and size, and each fragment's media time. Bytes are passed on unchanged. Whatever
does not hold raises :class:`MediaFault` with ``MALFORMED``; nothing is guessed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from streaming.window import TICKS_PER_SECOND, MediaCode, MediaFault

#: Two seconds of video at 100 Mbit/s; a longer box is a broken stream, not a picture.
BOX_BYTES_MAX: Final = 25_000_000

_HEADER: Final = struct.Struct(">I4s")


@dataclass(frozen=True, slots=True)
class Init:
    """The initialization section: what a decoder must have first."""

    data: bytes
    track: int
    codecs: str  # RFC 6381, e.g. avc1.42c01e
    width: int
    height: int
    sample_ticks: int  # a sample's duration where fragments do not say; 0 when they always do


@dataclass(frozen=True, slots=True)
class Fragment:
    """A moof with its mdat: it starts at ``start_ticks`` of media time (1/90,000 s)."""

    data: bytes
    start_ticks: int
    duration_ticks: int


class FragmentReader:
    """Feed it what the pipe gives; it gives back what is complete."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._head = bytearray()  # boxes that belong before what comes next
        self._init: Init | None = None
        self._moof: bytes | None = None

    def feed(self, data: bytes) -> Iterator[Init | Fragment]:
        self._pending += data
        while (box := self._next_box()) is not None:
            kind = box[4:8]
            if kind == b"ftyp":
                self._head += box
            elif kind == b"moov":
                self._init = read_init(bytes(self._head) + box)
                self._head.clear()
                yield self._init
            elif kind == b"moof":
                self._moof = box
            elif kind == b"mdat":
                yield self._fragment(box)
            elif kind in {b"styp", b"sidx", b"prft", b"emsg"}:
                self._head += box
            # free, mfra and the like carry nothing that is played

    def _fragment(self, mdat: bytes) -> Fragment:
        if self._init is None or self._moof is None:
            raise _malformed("media data without moov and moof")
        start_ticks, duration_ticks = read_span(self._moof, self._init)
        data = bytes(self._head) + self._moof + mdat
        self._head.clear()
        self._moof = None
        return Fragment(data, start_ticks, duration_ticks)

    def _next_box(self) -> bytes | None:
        if len(self._pending) < _HEADER.size:
            return None
        size = int(_HEADER.unpack_from(self._pending)[0])
        if not _HEADER.size <= size <= BOX_BYTES_MAX:  # 0 and 1 mean "to the end" and "64 bits"
            raise _malformed(f"a box of {size} bytes")
        if len(self._pending) < size:
            return None
        box = bytes(self._pending[:size])
        del self._pending[:size]
        return box


def read_init(data: bytes) -> Init:
    """The picture's track out of ``ftyp`` and ``moov``; H.264 at 90,000 ticks a second only."""
    moov = _child(data, b"moov")
    for kind, trak in _children(moov):
        if kind != b"trak":
            continue
        mdia = _child(trak, b"mdia")
        if _at(">4s", _child(mdia, b"hdlr"), 8) != b"vide":
            continue
        if _timescale(_child(mdia, b"mdhd")) != TICKS_PER_SECOND:
            raise _malformed("the video's timescale is not 90,000")
        tkhd = _child(trak, b"tkhd")
        track = _int(">I", tkhd, 20 if tkhd[:1] == b"\x01" else 12)
        codecs, width, height = _picture(_child(_child(_child(mdia, b"minf"), b"stbl"), b"stsd"))
        return Init(data, track, codecs, width, height, _default_ticks(moov, track))
    raise _malformed("no video track")


def _timescale(mdhd: bytes) -> int:
    return _int(">I", mdhd, 20 if mdhd[:1] == b"\x01" else 12)


def _picture(stsd: bytes) -> tuple[str, int, int]:
    """Codec, width and height from the first sample entry."""
    for kind, entry in _children(stsd[8:]):
        if kind not in {b"avc1", b"avc3"}:
            raise _malformed(f"codec {kind!r} is not H.264")
        avcc = _child(entry[78:], b"avcC")
        if len(avcc) < 4:
            raise _malformed("avcC is cut off")
        return f"{kind.decode()}.{avcc[1:4].hex()}", _int(">H", entry, 24), _int(">H", entry, 26)
    raise _malformed("no sample entry")


def _default_ticks(moov: bytes, track: int) -> int:
    for kind, trex in _children(_child(moov, b"mvex")):
        if kind == b"trex" and _int(">I", trex, 4) == track:
            return _int(">I", trex, 12)
    return 0


def read_span(moof: bytes, init: Init) -> tuple[int, int]:
    """Start and duration, in ticks, of the video track's samples in a fragment."""
    for kind, traf in _children(_child(moof, b"moof")):
        if kind != b"traf":
            continue
        tfhd = _child(traf, b"tfhd")
        if _int(">I", tfhd, 4) != init.track:
            continue
        tfdt = _child(traf, b"tfdt")
        start_ticks = _int(">Q", tfdt, 4) if tfdt[:1] == b"\x01" else _int(">I", tfdt, 4)
        default_ticks = _tfhd_ticks(tfhd, init.sample_ticks)
        runs = [run for kind, run in _children(traf) if kind == b"trun"]
        duration_ticks = sum(_run_ticks(run, default_ticks) for run in runs)
        if duration_ticks <= 0:
            raise _malformed("a fragment without duration")
        return start_ticks, duration_ticks
    raise _malformed("a fragment without the video track")


def _tfhd_ticks(tfhd: bytes, default_ticks: int) -> int:
    flags = _int(">I", tfhd, 0) & 0xFFFFFF
    if not flags & 0x8:  # default-sample-duration-present
        return default_ticks
    return _int(">I", tfhd, 8 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0))


def _run_ticks(trun: bytes, default_ticks: int) -> int:
    flags = _int(">I", trun, 0) & 0xFFFFFF
    count = _int(">I", trun, 4)
    if not flags & 0x100:  # sample-duration-present
        return count * default_ticks
    first = 8 + (4 if flags & 0x1 else 0) + (4 if flags & 0x4 else 0)
    stride = 4 * (flags & 0xF00).bit_count()
    if first + count * stride > len(trun):
        raise _malformed("trun is cut off")
    return sum(_int(">I", trun, first + index * stride) for index in range(count))


def _children(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes in ``data``: (kind, content without the header)."""
    at = 0
    while at + _HEADER.size <= len(data):
        size, kind = _HEADER.unpack_from(data, at)
        if not _HEADER.size <= size <= len(data) - at:
            raise _malformed(f"box {kind!r} does not fit its parent")
        yield kind, data[at + _HEADER.size : at + size]
        at += size


def _child(data: bytes, wanted: bytes) -> bytes:
    for kind, content in _children(data):
        if kind == wanted:
            return content
    raise _malformed(f"no {wanted.decode()}")


def _at(form: str, data: bytes, offset: int) -> object:
    try:
        return struct.unpack_from(form, data, offset)[0]
    except struct.error:
        raise _malformed("a box is cut off") from None


def _int(form: str, data: bytes, offset: int) -> int:
    value = _at(form, data, offset)
    if not isinstance(value, int):
        raise _malformed("not a number")
    return value


def _malformed(what: str) -> MediaFault:
    return MediaFault(MediaCode.MALFORMED, what=what)

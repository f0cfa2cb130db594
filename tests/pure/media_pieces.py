"""Building blocks of streaming tests: fragmented MP4 made by hand after ISO/IEC 14496-12."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

from kernel.clock import ManualClock
from streaming.boxes import FragmentReader
from streaming.joining import Joiner
from streaming.ladder import Rung
from streaming.live import Live
from streaming.window import TICKS_PER_SECOND, Shape

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TWO = 2 * TICKS_PER_SECOND
TWO_RUNGS = (Rung("360p", 360, 30, 800), Rung("240p", 240, 30, 400))


def box(kind, *content):
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def moov(*, timescale=90_000, sample_ticks=18_000, entry=b"avc1"):
    avcc = box(b"avcC", bytes([1, 0x42, 0xC0, 0x1E, 0xFF]))
    picture = bytes(24) + struct.pack(">HH", 320, 180) + bytes(50)
    stsd = box(b"stsd", bytes(4), struct.pack(">I", 1), box(entry, picture, avcc))
    mdhd = box(b"mdhd", bytes(12), struct.pack(">I", timescale), bytes(8))
    hdlr = box(b"hdlr", bytes(8), b"vide", bytes(13))
    minf = box(b"minf", box(b"stbl", stsd))
    tkhd = box(b"tkhd", bytes(12), struct.pack(">I", 1), bytes(68))
    trex = box(b"trex", struct.pack(">6I", 0, 1, 1, sample_ticks, 0, 0))
    sound = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8), b"soun", bytes(13))))
    video = box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf))
    return box(b"moov", sound, video, box(b"mvex", trex))


INIT = box(b"ftyp", b"iso5") + moov()


def fragment(start_ticks=0, samples=10, durations=None):
    tfhd = box(b"tfhd", struct.pack(">II", 0x020000, 1))
    tfdt = box(b"tfdt", struct.pack(">IQ", 0x01000000, start_ticks))
    if durations is None:
        trun = box(b"trun", struct.pack(">II", 0, samples))
    else:
        entries = b"".join(struct.pack(">II", ticks, 99) for ticks in durations)
        trun = box(b"trun", struct.pack(">IIi", 0x301, len(durations), 8), entries)
    return box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", tfhd, tfdt, trun)) + box(b"mdat", b"x")


def read(data, chunk=None):
    reader = FragmentReader()
    chunk = chunk or len(data)
    return [
        piece
        for at in range(0, len(data), chunk)
        for piece in reader.feed(data[at : at + chunk])
    ]  # fmt: skip


def live(tmp_path, clock=None, rungs=TWO_RUNGS):
    return Live(
        tmp_path / "alexandria",
        rungs,
        Shape(segment_ticks=TWO, segments_max=4),
        clock or ManualClock(NOON),
        delay=timedelta(0),
    )


def publish(table, count, start=0, at=NOON):
    joiner = Joiner([rung.name for rung in table.ladder])
    for index in range(start, start + count):
        for piece in read(INIT + fragment(index * TWO))[1:]:
            for rung in table.ladder:
                for whole in joiner.add(rung.name, piece, at):
                    table.publish(whole)


def begin(table):
    [init] = read(INIT)
    table.begin({rung.name: init for rung in table.ladder})


def files(table, rung="360p"):
    return sorted(path.name for path in (table.directory / rung).iterdir())

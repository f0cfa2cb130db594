"""Reading fragmented MP4: what is found, and what is never guessed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.boxes import Fragment, Init
from streaming.window import MediaCode, MediaFault
from tests.pure.media_pieces import INIT, TWO, box, fragment, moov, read


@pytest.mark.parametrize("chunk", [1, 7, 1000, None])
def test_pieces_are_found_however_the_pipe_cuts_them(chunk):
    init, one, other = read(INIT + fragment(0) + box(b"free") + fragment(TWO), chunk)

    assert init == Init(INIT, 1, "avc1.42c01e", 320, 180, 18_000)
    assert one == Fragment(fragment(0), 0, TWO)
    assert other == Fragment(fragment(TWO), TWO, TWO)


def test_durations_given_per_sample_are_summed():
    [_, piece] = read(INIT + fragment(90, durations=[3000, 3003, 2997]))

    assert (piece.start_ticks, piece.duration_ticks) == (90, 9000)


@pytest.mark.parametrize(
    "data",
    [
        fragment(0),  # no moov
        INIT + box(b"mdat", b"x"),  # no moof
        box(b"ftyp") + moov(timescale=12_800),
        box(b"ftyp") + moov(entry=b"hvc1"),
        box(b"moov"),
        INIT + fragment(samples=0),
        struct.pack(">I4s", 7, b"moof"),
        struct.pack(">I4s", 0, b"mdat"),
        struct.pack(">I4s", 25_000_001, b"mdat"),
        INIT + box(b"moof", box(b"traf", b"\x00\x00\x00\x40tfhd")) + box(b"mdat"),
    ],
)
def test_what_does_not_hold_is_malformed_and_never_guessed(data):
    with pytest.raises(MediaFault) as fault:
        read(data)
    assert fault.value.code is MediaCode.MALFORMED


@given(st.integers(0, len(INIT + fragment()) - 1), st.binary(min_size=1, max_size=8))
def test_damaged_streams_are_read_or_malformed_and_nothing_else(at, damage):
    data = bytearray(INIT + fragment())
    data[at : at + len(damage)] = damage
    try:
        read(bytes(data))
    except MediaFault as fault:
        assert fault.code is MediaCode.MALFORMED  # noqa: PT017  (any fault is fine but this kind)

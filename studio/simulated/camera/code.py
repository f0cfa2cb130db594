"""The row of cells at the top of each frame: clock and frame counter that a machine can read.

96 cells of 10 × 12 pixels, dark grey on darker: 8 reference bits, 48 bits ms since 1970, 24 bits
frame counter, 16 bits CRC (CCITT) over the 9 bytes before it. It survives scaling and encoding.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]

CELLS: Final = 96
CELL_WIDTH: Final = 10
CELL_HEIGHT: Final = 12
_REFERENCE: Final = 0b10101010
_TEXT_BYTES: Final = 9
_COUNTER_MAX: Final = 1 << 24
#: Limited-range luma of a zero and a one. With 30 steps between them x264 at crf 26 and 426×240
#: skipped a changed cell in 3 of 90 frames, with 48 in none (and in 1 of 90 at crf 28).
_DARK: Final = 18
_GREY: Final = 66
#: Less than this between the reference's ones and zeros is noise, not a code.
_CONTRAST_MIN: Final = 8.0


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a frame says of itself. ``frame`` counts camera ticks and wraps at 2**24."""

    at_ms: int
    frame: int


def draw_code(luma: Plane, stamp: Stamp) -> None:
    """Burn ``stamp`` into the top edge of a plane that is 960 pixels wide."""
    text = stamp.at_ms.to_bytes(6) + (stamp.frame % _COUNTER_MAX).to_bytes(3)
    crc = binascii.crc_hqx(text, 0xFFFF).to_bytes(2)
    content = np.frombuffer(bytes((_REFERENCE,)) + text + crc, np.uint8)
    row = np.where(np.unpackbits(content), np.uint8(_GREY), np.uint8(_DARK))
    luma[:CELL_HEIGHT] = np.repeat(row, CELL_WIDTH)


def read_code(luma: Plane) -> Stamp | None:
    """The stamp in a whole frame's luma, scaled to any size; None where none is legible."""
    height, width = luma.shape
    # The edges of cells are left to the scaler's and the encoder's blur.
    rows = luma[height * 3 // 540 : max(height * 10 // 540, 1)]
    columns = rows.mean(axis=0)
    begins = [round(width * (cell + 0.25) / CELLS) for cell in range(CELLS)]
    wide = max(round(width * 0.5 / CELLS), 1)
    levels = np.array([columns[begin : begin + wide].mean() for begin in begins])
    ones, zeros = levels[0:8:2].mean(), levels[1:8:2].mean()
    if ones - zeros < _CONTRAST_MIN:
        return None
    content = np.packbits(levels > (ones + zeros) / 2).tobytes()
    text, crc = content[1 : 1 + _TEXT_BYTES], content[1 + _TEXT_BYTES :]
    if content[0] != _REFERENCE or binascii.crc_hqx(text, 0xFFFF).to_bytes(2) != crc:
        return None
    return Stamp(int.from_bytes(text[:6]), int.from_bytes(text[6:]))

"""How ffmpeg is called: one process per table, fragmented MP4 on its standard output.

ffmpeg is a separate program. ``FFMPEG_BINARY`` chooses it; else the one that the optional package
``imageio-ffmpeg`` brings is taken.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streaming import card
from streaming.config import ConfigError, TableSource
from streaming.window import TICKS_PER_SECOND, Shape

#: A still picture with a clock needs little; a camera gets 360p until the ladder comes.
_CARD_KBPS: Final = 120
_CAMERA_KBPS: Final = 800
_CAMERA_HEIGHT: Final = 360
_CAMERA_FRAMES_PER_SECOND: Final = 30

#: How often the poster is written.
POSTER_SECONDS: Final = 4


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a table is encoded to."""

    frames_per_second: int
    rate_kbps: int

    @property
    def bandwidth_bps(self) -> int:
        """Upper bound of a segment's bit rate, for EXT-X-STREAM-INF.

        The rate control lets a 2 s segment take its rate plus a buffer of one second, hence a half
        more; a tenth is left for the container.
        """
        return self.rate_kbps * 1000 * 3 // 2 * 11 // 10


def encoding(source: TableSource) -> Encoding:
    if source.is_card:
        return Encoding(card.FRAMES_PER_SECOND, _CARD_KBPS)
    return Encoding(_CAMERA_FRAMES_PER_SECOND, _CAMERA_KBPS)


def find_ffmpeg(environment: Mapping[str, str]) -> str:
    """The ffmpeg to run; raises :class:`ConfigError` when there is none."""
    chosen = environment.get("FFMPEG_BINARY", "")
    if chosen:
        if not os.access(chosen, os.X_OK) or not Path(chosen).is_file():
            raise ConfigError(f"FFMPEG_BINARY={chosen} is not a program")
        return chosen
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise ConfigError("no ffmpeg: set FFMPEG_BINARY or install imageio-ffmpeg") from error


def command(ffmpeg: str, source: TableSource, shape: Shape, poster: Path) -> list[str]:
    """The command line for one table: fragments to stdout, a small picture to ``poster``."""
    kind = encoding(source)
    rate = kind.frames_per_second
    return [
        *(ffmpeg, "-hide_banner", "-nostats", "-loglevel", "error"),
        *_input(source),
        *("-map", "0:v:0", "-an"),
        *_picture(source, rate),
        *_h264(kind, shape),
        *("-video_track_timescale", str(TICKS_PER_SECOND)),
        # one fragment per key frame: a fragment is a segment
        *("-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof"),
        *("-flush_packets", "1", "pipe:1"),
        *("-map", "0:v:0", "-an", "-vf", f"select='not(mod(n,{rate * POSTER_SECONDS}))'"),
        *("-fps_mode", "passthrough", "-q:v", "5", "-f", "image2", "-update", "1"),
        *("-atomic_writing", "1", "-y", str(poster)),
    ]


def _input(source: TableSource) -> list[str]:
    if source.is_card:
        size = f"{card.WIDTH}x{card.HEIGHT}"
        return [
            *("-f", "rawvideo", "-pix_fmt", card.PIXEL_FORMAT, "-s", size),
            *("-r", str(card.FRAMES_PER_SECOND), "-i", "pipe:0"),
        ]
    if source.is_url:
        return ["-i", source.camera]
    # a file plays for ever, at its own speed; "file:" keeps a leading dash from being an option
    return ["-re", "-stream_loop", "-1", "-i", f"file:{source.camera}"]


def _picture(source: TableSource, rate: int) -> list[str]:
    filters = "format=yuv420p" if source.is_card else f"scale=-2:{_CAMERA_HEIGHT},format=yuv420p"
    return ["-vf", filters, "-fps_mode", "cfr", "-r", str(rate)]


def _h264(kind: Encoding, shape: Shape) -> list[str]:
    """A key frame exactly at each segment's start and nowhere else."""
    group = kind.frames_per_second * shape.segment_ticks // TICKS_PER_SECOND
    rate = f"{kind.rate_kbps}k"
    return [
        *("-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-threads", "1"),
        *("-crf", "26", "-maxrate", rate, "-bufsize", rate),
        *("-g", str(group), "-keyint_min", str(group), "-sc_threshold", "0"),
    ]

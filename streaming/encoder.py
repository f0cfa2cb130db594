"""How ffmpeg is called: one process per table, fragmented MP4 on one pipe per rendition.

ffmpeg is a separate program. ``FFMPEG_BINARY`` chooses it; else the one that the optional package
``imageio-ffmpeg`` brings is taken.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from streaming import card
from streaming.config import ConfigError, TableSource
from streaming.ladder import Rung
from streaming.window import TICKS_PER_SECOND, Shape

#: How often the poster is written.
POSTER_SECONDS: Final = 4
POSTER_WIDTH: Final = 640
POSTER_HEIGHT: Final = 360

#: From a frame's being taken until the fragment that it closes is ours, at best. Measured with a
#: camera's burnt-in clock: 4 ms, at 30 and at 5 pictures a second (docs/decisions/0032). The rest
#: makes the stream's times err to the early side, on which a page tells a result late, never early.
PIPELINE: Final = timedelta(milliseconds=10)


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


def dies_with_us() -> tuple[str, ...]:
    """Words before the command: the kernel ends the encoder when the stream process dies.

    One that still waits for a camera to dial would never notice, and would keep the port from its
    successor. Empty where util-linux's ``setpriv`` is missing.
    """
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL") if setpriv else ()


def command(
    ffmpeg: str, source: TableSource, shape: Shape, poster: Path, pipes: Sequence[int]
) -> list[str]:
    """The command line for one table: each rung's fragments to the file descriptor of its place in
    ``pipes``, which the process must inherit, and a small picture to ``poster``."""
    line = [
        *(ffmpeg, "-hide_banner", "-nostats", "-loglevel", "error"),
        *_input(source),
        *("-filter_complex_threads", "1", "-filter_complex", _filters(source)),
    ]
    for rung, pipe in zip(source.ladder, pipes, strict=True):
        line += [
            *("-map", f"[{rung.name}]", "-fps_mode", "cfr", "-r", str(rung.frames_per_second)),
            *_h264(rung, shape),
            *("-video_track_timescale", str(TICKS_PER_SECOND)),
            # one fragment per key frame: a fragment is a segment
            *("-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof"),
            *("-flush_packets", "1", f"pipe:{pipe}"),
        ]
    return [
        *line,
        *("-map", "[poster]", "-fps_mode", "passthrough", "-q:v", "6", "-threads", "1"),
        *("-f", "image2", "-update", "1", "-atomic_writing", "1", "-y", str(poster)),
    ]


def _input(source: TableSource) -> list[str]:
    if source.is_card:
        size = f"{card.WIDTH}x{card.HEIGHT}"
        return [
            *("-f", "rawvideo", "-pix_fmt", card.PIXEL_FORMAT, "-s", size),
            *("-r", str(card.FRAMES_PER_SECOND), "-i", "pipe:0"),
        ]
    if source.is_raw:
        # Raw pictures carry no times. Stamped on arrival, a frame that the camera dropped is
        # repeated by the encoder and media time keeps up with the clock.
        return [
            *("-use_wallclock_as_timestamps", "1", "-f", "yuv4mpegpipe", "-i", source.camera),
        ]
    if source.is_url:
        return _from_afar(source.camera)
    # a file plays for ever, at its own speed; "file:" keeps a leading dash from being an option
    return ["-re", "-stream_loop", "-1", "-i", f"file:{source.camera}"]


def _from_afar(address: str) -> list[str]:
    """A URL that ffmpeg reads. `?mode=listener` waits to be dialled: SRT's own word, and ours for
    RTMP, where ffmpeg has an option instead."""
    dialled = "?mode=listener"
    if address.startswith(("rtmp://", "rtmps://")) and address.endswith(dialled):
        return ["-listen", "1", "-i", address.removesuffix(dialled)]
    return ["-i", address]


def _filters(source: TableSource) -> str:
    """One graph: each rung is scaled from the next higher one, which costs least."""
    by_height = sorted(source.ladder, key=lambda rung: rung.height, reverse=True)
    steps = ["[0:v:0]format=yuv420p,split=2[picture][seldom]"]
    for place, rung in enumerate(by_height):
        last = place == len(by_height) - 1
        goes_on = f"[{rung.name}]" if last else f",split=2[{rung.name}][below{place}]"
        comes_from = "picture" if place == 0 else f"below{place - 1}"
        steps.append(f"[{comes_from}]scale=-2:{rung.height}{goes_on}")
    size = f"{POSTER_WIDTH}:{POSTER_HEIGHT}"
    steps.append(
        # the first picture, and then one each time that so many seconds have gone by
        rf"[seldom]select='isnan(prev_selected_t)+gte(t-prev_selected_t\,{POSTER_SECONDS})',"
        f"scale={size}:force_original_aspect_ratio=decrease,"
        f"pad={size}:(ow-iw)/2:(oh-ih)/2[poster]"
    )
    return ";".join(steps)


def _h264(rung: Rung, shape: Shape) -> list[str]:
    """A key frame exactly at each segment's start and nowhere else, alike in all rungs."""
    group = rung.frames_per_second * shape.segment_ticks // TICKS_PER_SECOND
    return [
        *("-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-threads", "1"),
        *("-crf", "26", "-maxrate", f"{rung.rate_kbps}k", "-bufsize", f"{rung.buffer_kbits}k"),
        *("-g", str(group), "-keyint_min", str(group), "-sc_threshold", "0"),
    ]

"""Run as a program of its own: a stranger's file in, plain JPEG pages out. Imports nothing of ours.

Started by `compliance.kyc.pictures` with an empty environment, a file on stdin and one on stdout.
Limits of memory, time, files and processes are set before a parser is loaded. The answer is one
JSON line and then the pages' bytes; a refusal is the line alone.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from typing import IO, Any

MEMORY_BYTES = 1024 * 1024 * 1024
CPU_S = 10
OUT_BYTES = 48 * 1024 * 1024
PIXELS_MAX = 60_000_000
SIDE_MIN = 200
SIDE_MAX = 2_400
PAGES_MAX = 10
QUALITY = 88


class No(Exception):
    """A refusal; its word is a value of `FileCode`."""


def limit() -> None:
    """What this process may use from here on; exceeding it ends the process."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, OUT_BYTES),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def pages(content: bytes, media: str) -> list[tuple[bytes, int, int]]:
    """Each page as JPEG with its width and height in pixels."""
    if media == "pdf":
        return _of_pdf(content)
    return [_of_picture(content, media)]


def _of_picture(content: bytes, media: str) -> tuple[bytes, int, int]:
    from PIL import Image

    if media == "heic":
        try:
            import pillow_heif
        except ImportError:
            raise No("file_heic_not_read") from None
        pillow_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = None  # judged here, before anything is decoded
    formats = {"jpeg": ["JPEG", "MPO"], "png": ["PNG"], "webp": ["WEBP"], "heic": ["HEIF"]}[media]
    picture = Image.open(io.BytesIO(content), formats=formats)
    if picture.width * picture.height > PIXELS_MAX:
        raise No("file_too_many_pixels")
    if min(picture.size) < SIDE_MIN:
        raise No("file_too_small")
    picture.draft("RGB", (SIDE_MAX, SIDE_MAX))  # JPEG: decoded smaller where that is enough
    picture.load()
    return _plain(picture)


def _plain(picture: Any) -> tuple[bytes, int, int]:
    """Upright, opaque, at most ``SIDE_MAX`` wide and high, and nothing but pixels."""
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(picture)
    upright.thumbnail((SIDE_MAX, SIDE_MAX))
    if upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info:
        over = upright.convert("RGBA")
        paper = Image.new("RGB", over.size, "white")
        paper.paste(over, mask=over.getchannel("A"))
        upright = paper
    clean = Image.new("RGB", upright.size)
    clean.paste(upright.convert("RGB"))
    out = io.BytesIO()
    clean.save(out, "JPEG", quality=QUALITY)
    return out.getvalue(), clean.width, clean.height


def _of_pdf(content: bytes) -> list[tuple[bytes, int, int]]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as wrong:
        raise No("file_locked" if "password" in str(wrong).lower() else "file_unreadable") from None
    count = len(document)
    if count > PAGES_MAX:
        raise No("file_too_many_pages")
    if count == 0:
        raise No("file_unreadable")
    made = []
    for page in document:
        longest = max(*page.get_size(), 1)
        # 150 dots per inch, less where the page is larger than paper
        scale = min(150 / 72, SIDE_MAX / longest)
        made.append(_plain(page.render(scale=scale).to_pil()))
        page.close()
    return made


def answer(content: bytes, media: str, out: IO[bytes]) -> None:
    """Write what became of the file."""
    try:
        made = pages(content, media)
    except No as no:
        out.write(json.dumps({"refused": str(no)}).encode() + b"\n")
        return
    except MemoryError:
        out.write(b'{"refused": "file_too_much_work"}\n')
        return
    except Exception as wrong:  # noqa: BLE001  (whatever a parser says of a stranger's file)
        cut = "truncated" in str(wrong).lower() or isinstance(wrong, EOFError)
        code = "file_truncated" if cut else "file_unreadable"
        out.write(json.dumps({"refused": code}).encode() + b"\n")
        return
    head = [{"bytes": len(page), "width": width, "height": height} for page, width, height in made]
    out.write(json.dumps({"pages": head}).encode() + b"\n")
    for page, _, _ in made:
        out.write(page)


if __name__ == "__main__":
    limit()
    answer(sys.stdin.buffer.read(), sys.argv[1], sys.stdout.buffer)

"""What a file is, by its content: the look before anything parses it. Pure, constant work per byte.

Names and declared types are a stranger's words and never read. Whatever passes here is still only
opened by `compliance.kyc.pictures` in a process of its own.
"""

from __future__ import annotations

import io
import re
import zipfile
from enum import StrEnum
from typing import Final

from kernel.refusal import Refused

#: One picture of a good phone is 3 to 8 MB; a scanned statement rarely more.
BYTES_MAX: Final = 10 * 1024 * 1024
#: How far readers of PDF look for the header and the end.
_PDF_EDGE: Final = 1024


class FileCode(StrEnum):
    """Why a file was not taken. Each has a plain sentence in `compliance.kyc.wording`."""

    EMPTY = "file_empty"
    TOO_LARGE = "file_too_large"
    TOO_MANY = "file_too_many"
    FORM_FULL = "file_form_full"
    UNKNOWN_TYPE = "file_unknown_type"
    DRAWING = "file_drawing"
    ARCHIVE = "file_archive"
    TWO_IN_ONE = "file_two_in_one"
    TRUNCATED = "file_truncated"
    HEIC_NOT_READ = "file_heic_not_read"
    TOO_MANY_PIXELS = "file_too_many_pixels"
    TOO_SMALL = "file_too_small"
    TOO_MANY_PAGES = "file_too_many_pages"
    LOCKED = "file_locked"
    UNREADABLE = "file_unreadable"
    TOO_MUCH_WORK = "file_too_much_work"
    INFECTED = "file_infected"
    BUSY = "file_busy"


class Media(StrEnum):
    """What is taken."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    HEIC = "heic"
    PDF = "pdf"


_HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif"})
_ARCHIVES: Final = (
    b"PK\x03\x04", b"PK\x05\x06", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"BZh", b"\xfd7zXZ",
)  # fmt: skip
#: What makes a browser or a server run a file that also is a picture: a whole tag, where a reader
#: that sniffs looks. The middle is compressed noise, in which any few letters turn up by chance.
_ACTIVE: Final = re.compile(
    rb"<(?:script|svg|html|iframe)[\s>/]|<!doctype\s|<\?php\s", re.IGNORECASE
)
_ACTIVE_EDGE: Final = 64 * 1024
_MARKUP: Final = re.compile(rb"^\s*(\xef\xbb\xbf)?\s*<", re.IGNORECASE)


def media_of(content: bytes, *, bytes_max: int = BYTES_MAX) -> Media:
    """The kind of ``content``; refuses with a `FileCode` what is none or two at once."""
    if not content:
        raise Refused(FileCode.EMPTY)
    if len(content) > bytes_max:
        raise Refused(FileCode.TOO_LARGE, mb_max=bytes_max // (1024 * 1024))
    found = _begins(content)
    if found is None:
        raise Refused(_why_none(content))
    if _is_two(content, found):
        raise Refused(FileCode.TWO_IN_ONE)
    if _is_cut(content, found):
        raise Refused(FileCode.TRUNCATED)
    return found


def _begins(content: bytes) -> Media | None:
    if content.startswith(b"\xff\xd8\xff"):
        return Media.JPEG
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return Media.PNG
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return Media.WEBP
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS:
        return Media.HEIC
    return Media.PDF if content.startswith(b"%PDF-") else None


def _why_none(content: bytes) -> FileCode:
    if content.startswith(_ARCHIVES):
        return FileCode.ARCHIVE
    if _MARKUP.match(content[:256]) and b"svg" in content[:4096].lower():
        return FileCode.DRAWING
    return FileCode.UNKNOWN_TYPE


def _is_two(content: bytes, found: Media) -> bool:
    """A picture that also is a PDF, an archive or a page; phones' own appendices are let pass."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        return True
    if found is Media.PDF:
        return False
    edges = (content[:_ACTIVE_EDGE], content[_ACTIVE_EDGE:][-_ACTIVE_EDGE:])
    is_active = any(_ACTIVE.search(edge) is not None for edge in edges)
    return b"%PDF-" in content[:_PDF_EDGE] or is_active


def _is_cut(content: bytes, found: Media) -> bool:
    if found is Media.PDF:
        return b"%%EOF" not in content[-_PDF_EDGE:]
    if found is Media.PNG:
        return b"IEND" not in content[-64:] and b"IEND\xaeB`\x82" not in content
    if found is Media.WEBP:
        return int.from_bytes(content[4:8], "little") + 8 > len(content)
    return found is Media.JPEG and b"\xff\xd9" not in content

"""Files of a form, held in memory up to a bound: what is over it is let go while it is read.

Here no file of a form is written anywhere. Before this, Django's ASGI handler has put a request of
more than 2.5 MB into a nameless temporary file, up to the bound of `casino.bounded_bodies`: keep
the system's temporary directory in memory or on an encrypted disk. A form that is too large is
answered like any other: with what was taken and what was not.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from compliance.kyc.file_guard import BYTES_MAX
from compliance.kyc.receiving import FORM_BYTES_MAX


class TooLarge(InMemoryUploadedFile):
    """A file of which nothing was kept: it is too large itself."""


class FormFull(TooLarge):
    """A file of which nothing was kept: what came before it in the form left it no room."""


class BoundedUploads(FileUploadHandler):
    """At most ``BYTES_MAX`` of a file and ``FORM_BYTES_MAX`` of a form stay in memory."""

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._kept = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._buffer = BytesIO()
        self._is_over: type[TooLarge] | None = None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        if self._is_over is not None:
            self._too_large_itself(start + len(raw_data))
            return None
        self._kept += len(raw_data)
        if start + len(raw_data) > BYTES_MAX or self._kept > FORM_BYTES_MAX:
            self._is_over = FormFull
            self._too_large_itself(start + len(raw_data))
            self._kept -= self._buffer.tell() + len(raw_data)
            self._buffer = BytesIO()
            return None
        self._buffer.write(raw_data)
        return None

    def _too_large_itself(self, size: int) -> None:
        """A file that no form would take is called so, wherever in its form it comes."""
        if size > BYTES_MAX:
            self._is_over = TooLarge

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        made = self._is_over or InMemoryUploadedFile
        self._buffer.seek(0)
        return made(
            self._buffer,
            self.field_name,
            self.file_name or "document",
            self.content_type,
            self._buffer.getbuffer().nbytes,
            self.charset,
        )

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
    """A file of which nothing was kept."""


class BoundedUploads(FileUploadHandler):
    """At most ``BYTES_MAX`` of a file and ``FORM_BYTES_MAX`` of a form stay in memory."""

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._kept = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._buffer = BytesIO()
        self._is_over = False

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        if self._is_over:
            return None
        self._kept += len(raw_data)
        if start + len(raw_data) > BYTES_MAX or self._kept > FORM_BYTES_MAX:
            self._is_over = True
            self._kept -= self._buffer.tell() + len(raw_data)
            self._buffer = BytesIO()
            return None
        self._buffer.write(raw_data)
        return None

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        made = TooLarge if self._is_over else InMemoryUploadedFile
        self._buffer.seek(0)
        return made(
            self._buffer,
            self.field_name,
            self.file_name or "document",
            self.content_type,
            self._buffer.getbuffer().nbytes,
            self.charset,
        )

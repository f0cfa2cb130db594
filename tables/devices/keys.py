"""Whether a signed message comes from a device of the table, before a word of it is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Protocol, TypeVar

from kernel.refusal import Refused
from studio.protocol.messages import Malformed
from studio.protocol.signatures import BadSignature, Signed
from tables.models import DeviceKey


class ReportCode(StrEnum):
    """Why a report is not taken. Nothing of a refused report is stored."""

    MALFORMED = "malformed"
    UNKNOWN_TABLE = "unknown_table"
    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"
    BAD_SIGNATURE = "bad_signature"
    FOREIGN_TABLE = "foreign_table"
    FOREIGN_DEVICE = "foreign_device"
    SEQUENCE_REUSED = "sequence_reused"
    TOO_MANY = "too_many"


class Said(Protocol):
    """What every signed message names."""

    @property
    def device(self) -> str: ...

    @property
    def table(self) -> str: ...


Message = TypeVar("Message", bound=Said)


class KeyRing:
    """The enrolled keys that a report refers to, read in one query.

    Signatures are verified before anything is locked; `check_again` then asks, behind the lock
    that a revocation takes too, whether a key was revoked meanwhile.
    """

    def __init__(self, table_id: str, signed: Iterable[Signed]) -> None:
        self._table_id = table_id
        ids = {item.key_id for item in signed}
        self._keys = DeviceKey.objects.select_related("device").in_bulk(ids) if ids else {}

    def check_again(self) -> None:
        """Refuses with ``REVOKED_KEY`` when one of the keys is revoked by now.

        Needs the lock of the table's intake: what passes here is stored before any revocation
        that begins later.
        """
        revoked = DeviceKey.objects.filter(id__in=self._keys, revoked_at__isnull=False).first()
        if revoked is not None:
            raise Refused(ReportCode.REVOKED_KEY, key=revoked.id)

    def read(self, signed: Signed, verify: Callable[[Signed, str], Message]) -> Message:
        """The message in ``signed``, when its key is enrolled, in force, and its device's own.

        Raises ``Refused`` with the first :class:`ReportCode` that applies.
        """
        key = self._keys.get(signed.key_id)
        if key is None:
            raise Refused(ReportCode.UNKNOWN_KEY, key=signed.key_id[:60])
        if key.revoked_at is not None:
            raise Refused(ReportCode.REVOKED_KEY, key=key.id)
        try:
            said = verify(signed, key.public_key_b64)
        except BadSignature:
            raise Refused(ReportCode.BAD_SIGNATURE, key=key.id) from None
        except Malformed as error:
            raise Refused(ReportCode.MALFORMED, why=str(error)[:200]) from None
        if said.device != key.device_id:
            raise Refused(ReportCode.FOREIGN_DEVICE, key=key.id, device=said.device)
        if self._table_id not in {said.table} & {key.device.table_id}:
            raise Refused(ReportCode.FOREIGN_TABLE, table=said.table)
        return said

"""The local mailbox: an e-mail backend that keeps mails in a table instead of sending them.

For demos and tests, where no mail server exists; ``/mailbox/`` shows them. Production settings
never name it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from notices.models import MailboxMail

#: Older mails go when newer ones come.
KEPT_MAX: Final = 1_000
#: A code stands alone on its line: our mail templates see to it.
_CODE = re.compile(r"^(?=.*[A-Z0-9]{3})[A-Z0-9]+(?:-[A-Z0-9]+)*$", re.MULTILINE)


class MailboxBackend(BaseEmailBackend):
    """Django's e-mail backend for the local mailbox. One row per recipient."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for mail in email_messages:
            text = str(mail.body)
            found = _CODE.search(text)
            for recipient in mail.recipients():
                MailboxMail.objects.create(
                    sender=mail.from_email,
                    recipient=recipient.strip().lower(),
                    subject=str(mail.subject),
                    text=text,
                    code=found.group() if found else "",
                )
        self._forget_old()
        return len(email_messages)

    def _forget_old(self) -> None:
        last_kept = MailboxMail.objects.order_by("-id").values_list("id", flat=True)
        edge = last_kept[KEPT_MAX : KEPT_MAX + 1].first()
        if edge is not None:
            MailboxMail.objects.filter(id__lte=edge).delete()

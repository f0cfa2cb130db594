"""The hosted payment page: two buttons, no script, no card fields."""

from __future__ import annotations

from html import escape
from typing import Any, Final

from kernel.money import Money

_FRAME: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Simulated payment</title></head><body><main>
<h1>Simulated payment</h1>
<p>This is play money. No card is asked for, and none is charged.</p>
{inside}
</main></body></html>"""

_CHOICE: Final = """<p>To pay: <strong>{amount}</strong></p>
<form method="post" action="/pay/{token}">
<p><button name="action" value="pay">Pay</button>
<button name="action" value="decline">Decline</button></p>
</form>"""


def choice(one: dict[str, Any]) -> str:
    """The page on which a person pays or declines."""
    amount = str(Money(one["amount_minor"], one["currency"]))
    return _FRAME.format(
        inside=_CHOICE.format(amount=escape(amount), token=escape(str(one["token"])))
    )


def done(one: dict[str, Any]) -> str:
    """The page after the decision, where there is nowhere to go back to."""
    back = str(one.get("return_url") or "")
    link = f'<p><a href="{escape(back)}">Back to the cashier</a></p>' if back else ""
    return _FRAME.format(inside=f"<p>This payment is {escape(str(one['status']))}.</p>{link}")

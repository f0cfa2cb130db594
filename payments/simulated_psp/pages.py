"""What a person sees of the simulated provider: the payment page, the bank's page, the last page.

No script, no field that takes a number: somebody chooses one of the made-up instruments.
"""

from __future__ import annotations

from html import escape
from typing import Any, Final

from kernel.money import Money
from kernel.written import locale_of, written
from payments.simulated_psp.cards import BY_CODE, DEFAULT, INSTRUMENTS, PlayInstrument
from payments.simulated_psp.languages import said

STYLE: Final = """
:root{color-scheme:light dark;--page:#eef0f6;--card:#fff;--ink:#161a2b;--soft:#565d78;
--line:#d9dcea;--edge:#7b82a0;--act:#4338ca;--act-ink:#fff;--wash:#eeedfd;--note:#fff4d6;
--note-ink:#5c4400;--good:#0f6b46;--stop:#a3261b;--chip:#262b45;--chip-ink:#fff}
@media(prefers-color-scheme:dark){:root{--page:#0d0f1a;--card:#171a2a;--ink:#eef0fb;--soft:#a9b0cc;
--line:#2b3048;--edge:#7d85a8;--act:#a5a0ff;--act-ink:#14122e;--wash:#232445;--note:#37300f;
--note-ink:#f6dd90;--good:#6fd3a5;--stop:#ff9c90;--chip:#e8eaf7;--chip-ink:#171a2a}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
header{display:flex;align-items:center;gap:.6rem;max-width:34rem;margin:0 auto;
padding:1.25rem 1rem .75rem;font-weight:650}
header svg{width:1.75rem;height:1.75rem;flex:none}
header span{margin-left:auto;font-weight:400;font-size:.8125rem;color:var(--soft)}
main{width:min(34rem,100% - 1.5rem);margin:0 auto 2rem;background:var(--card);
border:1px solid var(--line);
border-radius:18px;overflow:hidden}
.sum{padding:1.25rem 1.25rem 1rem;border-bottom:1px solid var(--line)}
h1{margin:0;font-size:.9375rem;font-weight:500;color:var(--soft)}
.amount{margin:.1rem 0 0;font-size:2.25rem;line-height:1.15;font-weight:680;
font-variant-numeric:tabular-nums;letter-spacing:-.02em}
.note{margin:.85rem 0 0;padding:.55rem .75rem;border-radius:10px;background:var(--note);
color:var(--note-ink);font-size:.875rem}
form,.body{padding:1rem 1.25rem 1.25rem}
fieldset{border:0;margin:0 0 1rem;padding:0;min-width:0}
legend{padding:0;margin:0 0 .4rem;font-size:.8125rem;font-weight:600;color:var(--soft)}
.way{display:grid;grid-template-columns:auto 3.4rem 1fr;gap:.1rem .75rem;align-items:center;
min-height:3.5rem;padding:.5rem .75rem;border:1px solid var(--line);border-radius:12px;
margin:0 0 .5rem;cursor:pointer}
.way:has(:checked){border-color:var(--act);background:var(--wash);box-shadow:0 0 0 1px var(--act)}
.way:has(:focus-visible){outline:3px solid var(--act);outline-offset:2px}
.way input{width:1.15rem;height:1.15rem;margin:0;accent-color:var(--act)}
.chip{display:grid;place-items:center;height:2.1rem;border-radius:7px;background:var(--chip);
color:var(--chip-ink);font-size:.625rem;font-weight:700;letter-spacing:.02em;text-align:center}
.way b{font-weight:600;font-variant-numeric:tabular-nums}
.way small{display:block;color:var(--soft);font-size:.8125rem;line-height:1.35}
button{width:100%;min-height:3rem;border-radius:12px;font:inherit;font-weight:650;cursor:pointer;
border:1px solid var(--edge);background:none;color:var(--ink);margin-top:.6rem}
button.act{border-color:var(--act);background:var(--act);color:var(--act-ink)}
button:focus-visible,a:focus-visible{outline:3px solid var(--act);outline-offset:2px}
dl{display:grid;grid-template-columns:auto 1fr;gap:.4rem 1.25rem;margin:0 0 .75rem}
dt{color:var(--soft)}dd{margin:0;text-align:right;font-weight:600;overflow-wrap:anywhere}
.state{font-size:1.375rem;font-weight:650;margin:0 0 .35rem}
.good{color:var(--good)}.stop{color:var(--stop)}
a{color:var(--act);font-weight:600}
footer{max-width:34rem;margin:0 auto 2rem;padding:0 1rem;color:var(--soft);font-size:.8125rem}
"""

_FRAME: Final = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title><style>{style}</style></head><body>
<header><svg viewBox="0 0 28 28" aria-hidden="true"><rect width="28" height="28" rx="8"
fill="currentColor" opacity=".14"/><path d="{mark}" fill="none" stroke="currentColor"
stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/></svg>{brand}
<span>{beside}</span></header>
<main>{inside}</main><footer>{foot}</footer></body></html>"""

_WALLET_MARK: Final = "M7 9h14v11H7zM7 13h14M16.5 17h2"
_BANK_MARK: Final = "M6 12l8-5 8 5zM8 13v6M12 13v6M16 13v6M20 13v6M6 21h16"
_FOOT: Final = (
    "A simulated payment provider. It knows made-up instruments only: nobody types a card number"
    " here, and nothing is charged."
)

_HOW_IT_ENDS: Final = (
    "This is play money. Your bank would ask for a code or a fingerprint; here you say how it ends."
)

_GROUPS: Final = (("Cards", ("card",)), ("Wallet and bank", ("wallet", "bank_account")))

#: Status → heading, what it means, look.
_ENDS: Final = {
    "succeeded": ("Paid", "The payment went through.", "good"),
    "processing": ("On its way", "The bank is confirming the payment.", "good"),
    "refunded": ("Returned", "The payment went back to where it came from.", ""),
    "failed": ("Not paid", "The payment was declined. Nothing was charged.", "stop"),
    "canceled": ("Cancelled", "Nothing was charged.", ""),
    "expired": ("Ran out", "This page was not finished in time. Nothing was charged.", "stop"),
}
_REASONS: Final = {
    "insufficient_funds": "The card’s bank says: not enough money on the account.",
    "do_not_honor": "The card’s bank did not say why.",
    "card_expired": "The card has expired.",
    "authentication_failed": "The card’s bank could not make sure that it was its holder.",
}


def choice(one: dict[str, Any], home_country: str, language: str) -> str:
    """The page on which a person chooses with what to pay."""
    saved = BY_CODE.get(one["saved"])
    picked = saved or DEFAULT
    groups = []
    if saved is not None:
        groups.append(("Used before", [saved]))
    for name, kinds in _GROUPS:
        groups.append((name, [w for w in INSTRUMENTS if w.kind in kinds and w is not saved]))
    listed = "".join(
        f"<fieldset><legend>{said(name, language)}</legend>"
        f"{''.join(_way(way, home_country, language, is_picked=way is picked) for way in ways)}"
        "</fieldset>"
        for name, ways in groups
    )
    amount = _amount(one, language)
    note = said("This is play money. Choose what should happen.", language)
    pay = said("Pay {amount}", language).format(amount=amount)
    return _page(
        "Simulated payment",
        f'<div class="sum"><h1>{said("Pay to Faro", language)}</h1>'
        f'<p class="amount">{amount}</p><p class="note">{note}</p></div>'
        f'<form method="post" action="/pay/{escape(one["door"])}">{listed}'
        f'<button class="act" name="action" value="pay">{pay}</button>'
        '<button name="action" value="cancel" formnovalidate>'
        f"{said('Cancel', language)}</button></form>",
        language,
    )


def _way(way: PlayInstrument, home_country: str, language: str, *, is_picked: bool) -> str:
    checked = " checked" if is_picked else ""
    country = way.country or home_country
    facts = [said(way.about, language), str(locale_of(language).territories.get(country, country))]
    if way.holder:
        facts.append(said("in the name of {holder}", language).format(holder=way.holder))
    return (
        f'<label class="way"><input type="radio" name="instrument" value="{way.code}" required'
        f'{checked}><span class="chip" aria-hidden="true">{escape(_chip(way))}</span>'
        f"<span><b>{escape(said(way.brand, language))} ···· {way.last4}</b>"
        f"<small>{escape(' · '.join(facts))}</small></span></label>"
    )


def _chip(way: PlayInstrument) -> str:
    return {"Mastercard": "MC", "Bank transfer": "BANK", "PlayPurse": "PURSE"}.get(
        way.brand, way.brand.upper()
    )


def challenge(one: dict[str, Any], language: str) -> str:
    """The page of the card's bank: 3-D Secure."""
    shown = one["instrument"]
    rows = {
        "To": "Faro",
        "Amount": _amount(one, language),
        "Card": f"{escape(said(shown['brand'], language))} ···· {escape(shown['last4'])}",
    }
    listed = "".join(
        f"<dt>{said(name, language)}</dt><dd>{value}</dd>" for name, value in rows.items()
    )
    return _page(
        "Confirm your payment",
        f'<div class="sum"><h1>3-D Secure</h1>'
        f'<p class="state">{said("Is it you who is paying?", language)}</p>'
        f'<p class="note">{said(_HOW_IT_ENDS, language)}</p></div>'
        f'<form method="post" action="/challenge/{escape(one["challenge_door"])}">'
        f"<dl>{listed}</dl>"
        f'<button class="act" name="action" value="approve">'
        f"{said('Yes, confirm the payment', language)}</button>"
        f'<button name="action" value="fail">{said("I cannot prove who I am", language)}</button>'
        f'<button name="action" value="cancel">{said("Cancel the payment", language)}</button>'
        "</form>",
        language,
        brand="Harbour Bank",
        beside="The card’s bank",
        mark=_BANK_MARK,
    )


def done(one: dict[str, Any], language: str) -> str:
    """The page after the decision, where there is nowhere to go back to."""
    heading, words, look = _ENDS.get(one["status"], ("Closed", "", ""))
    words = said(_REASONS.get(one["reason"], words), language)
    back = str(one.get("return_url") or "")
    link = f'<p><a href="{escape(back)}">{said("Back to Faro", language)}</a></p>' if back else ""
    return _page(
        heading,
        f'<div class="sum"><h1>{said("Simulated payment", language)}</h1>'
        f'<p class="amount">{_amount(one, language)}</p></div>'
        f'<div class="body"><p class="state {look}">{said(heading, language)}</p>'
        f"<p>{words}</p>{link}</div>",
        language,
    )


def gone(language: str) -> str:
    """There is no such payment."""
    advice = said("Go back to the cashier and begin again. Nothing was charged.", language)
    return _page(
        "No such payment",
        f'<div class="body"><p class="state">{said("There is no such payment", language)}</p>'
        f"<p>{advice}</p></div>",
        language,
    )


def _amount(one: dict[str, Any], language: str) -> str:
    return escape(written(Money(one["amount_minor"], one["currency"]), language))


def _page(
    title: str,
    inside: str,
    language: str,
    *,
    brand: str = "PlayPay",
    beside: str = "Simulated payment",
    mark: str = _WALLET_MARK,
) -> str:
    return _FRAME.format(
        language=language,
        title=said(title, language),
        style=STYLE,
        brand=brand,
        beside=said(beside, language),
        mark=mark,
        inside=inside,
        foot=said(_FOOT, language),
    )

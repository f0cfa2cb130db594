"""In which language a page is: the one that the merchant asked for, else the browser's first that
we have, else English. What stands on the pages is written in English and looked up here.
"""

from __future__ import annotations

import re
from typing import Final

ENGLISH: Final = "en"
#: A header names a handful of languages; nobody's is longer.
HEADER_CHARS_MAX: Final = 400
_ENTRY: Final = re.compile(r"([a-z]{2,3})(?:-[a-z0-9]+)*(?:;q=([01](?:\.[0-9]{1,3})?))?")

GERMAN: Final = {
    # the payment page
    "Simulated payment": "Simulierte Zahlung",
    "Pay to Faro": "Zahlung an Faro",
    "This is play money. Choose what should happen.": (
        "Das ist Spielgeld. Wählen Sie, was geschehen soll."
    ),
    "Used before": "Schon benutzt",
    "Cards": "Karten",
    "Wallet and bank": "Wallet und Bank",
    "Bank transfer": "Überweisung",
    "in the name of {holder}": "auf den Namen {holder}",
    "Pay {amount}": "{amount} zahlen",
    "Cancel": "Abbrechen",
    # with what can be paid
    "Pays at once": "Zahlt sofort",
    "Its bank asks for 3-D Secure": "Ihre Bank verlangt 3-D Secure",
    "Pays at once from the wallet": "Zahlt sofort aus der Wallet",
    "Its bank confirms a few seconds later": "Ihre Bank bestätigt ein paar Sekunden später",
    "Declined: insufficient funds": "Abgelehnt: nicht genug Geld auf dem Konto",
    "Declined by its bank": "Von ihrer Bank abgelehnt",
    "Declined: expired": "Abgelehnt: abgelaufen",
    "Issued in another country": "In einem anderen Land ausgestellt",
    "Another person’s card": "Die Karte einer anderen Person",
    "Pays; the payment is disputed soon after": "Zahlt; bald darauf wird die Zahlung bestritten",
    "Pays; nothing can be paid back to it": "Zahlt; zurückzahlen kann man nichts darauf",
    # the bank's page
    "Confirm your payment": "Zahlung bestätigen",
    "Is it you who is paying?": "Sind Sie es, der zahlt?",
    "This is play money. Your bank would ask for a code or a fingerprint; here you say how it"
    " ends.": (
        "Das ist Spielgeld. Ihre Bank würde nach einem Code oder einem Fingerabdruck fragen; hier"
        " sagen Sie, wie es ausgeht."
    ),
    "To": "An",
    "Amount": "Betrag",
    "Card": "Karte",
    "Yes, confirm the payment": "Ja, Zahlung bestätigen",
    "I cannot prove who I am": "Ich kann mich nicht ausweisen",
    "Cancel the payment": "Zahlung abbrechen",
    "The card’s bank": "Die Bank der Karte",
    # the last page
    "Paid": "Bezahlt",
    "The payment went through.": "Die Zahlung ist durchgegangen.",
    "On its way": "Unterwegs",
    "The bank is confirming the payment.": "Die Bank bestätigt die Zahlung gerade.",
    "Returned": "Zurückgegangen",
    "The payment went back to where it came from.": (
        "Die Zahlung ist dorthin zurückgegangen, woher sie kam."
    ),
    "Not paid": "Nicht bezahlt",
    "The payment was declined. Nothing was charged.": (
        "Die Zahlung wurde abgelehnt. Es wurde nichts abgebucht."
    ),
    "Cancelled": "Abgebrochen",
    "Nothing was charged.": "Es wurde nichts abgebucht.",
    "Ran out": "Abgelaufen",
    "This page was not finished in time. Nothing was charged.": (
        "Auf dieser Seite wurde nicht rechtzeitig gezahlt. Es wurde nichts abgebucht."
    ),
    "Closed": "Geschlossen",
    "The card’s bank says: not enough money on the account.": (
        "Die Bank der Karte sagt: nicht genug Geld auf dem Konto."
    ),
    "The card’s bank did not say why.": "Die Bank der Karte hat nicht gesagt, warum.",
    "The card has expired.": "Die Karte ist abgelaufen.",
    "The card’s bank could not make sure that it was its holder.": (
        "Die Bank der Karte konnte nicht feststellen, ob es ihr Inhaber war."
    ),
    "Back to Faro": "Zurück zu Faro",
    "No such payment": "Keine solche Zahlung",
    "There is no such payment": "Diese Zahlung gibt es nicht",
    "Go back to the cashier and begin again. Nothing was charged.": (
        "Gehen Sie zurück zur Kasse und fangen Sie neu an. Es wurde nichts abgebucht."
    ),
    "A simulated payment provider. It knows made-up instruments only: nobody types a card number"
    " here, and nothing is charged.": (
        "Ein simulierter Zahlungsanbieter. Er kennt nur erfundene Zahlungsmittel: Niemand tippt"
        " hier eine Kartennummer, und abgebucht wird nichts."
    ),
}
_WORDS: Final[dict[str, dict[str, str]]] = {ENGLISH: {}, "de": GERMAN}
KNOWN: Final = frozenset(_WORDS)


def said(text: str, language: str) -> str:
    """``text``, which is English, in ``language``."""
    return _WORDS.get(language, {}).get(text, text)


def wanted(header: str) -> str:
    """What an ``Accept-Language`` wants most of what we have; empty where it names none of it."""
    found = []
    for place, entry in enumerate(header[:HEADER_CHARS_MAX].lower().replace(" ", "").split(",")):
        matched = _ENTRY.fullmatch(entry)
        if matched is None or matched[1] not in KNOWN:
            continue
        thousandths = int((matched[2] or "1").replace(".", "").ljust(4, "0"))
        if thousandths:
            found.append((-thousandths, place, matched[1]))
    return min(found)[2] if found else ""

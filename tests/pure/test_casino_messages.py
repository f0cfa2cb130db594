"""The second language: complete, with the same facts in every sentence, and compiled."""

import gettext
import io
import re

import pytest
import time_machine
from babel.messages.catalog import Catalog

from casino import messages

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}|</?\w+>")
NOT_CURRENT = "run bin/messages, translate what it names, commit locale/"


@pytest.fixture(scope="module", params=messages.LANGUAGES)
def catalog(request) -> Catalog:
    return messages.translated(request.param)


def _pairs(catalog):
    """Each text with its translations, plural forms one by one."""
    for message in catalog:
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        for text in texts:
            yield ids, text


def test_every_text_of_the_site_is_translated(catalog):
    known = {message.id: message for message in catalog if message.id}
    missing = [m.id for m in messages.found() if m.id and m.id not in known]
    assert missing == [], NOT_CURRENT
    assert [ids for ids, text in _pairs(catalog) if not text] == [], NOT_CURRENT


def test_no_translation_is_of_a_text_that_the_site_no_longer_has(catalog):
    used = {message.id for message in messages.found() if message.id}
    assert [m.id for m in catalog if m.id and m.id not in used] == [], NOT_CURRENT


def test_a_translation_names_exactly_the_facts_of_its_text(catalog):
    wrong = [
        (ids, text)
        for ids, text in _pairs(catalog)
        if sorted(PLACEHOLDER.findall(text))
        not in [sorted(PLACEHOLDER.findall(one)) for one in ids]
    ]
    assert wrong == []


def test_what_django_reads_is_what_the_sources_say(catalog):
    compiled = messages.po_path(str(catalog.locale)).with_suffix(".mo").read_bytes()
    assert compiled == messages.mo_bytes(catalog), NOT_CURRENT


def test_the_same_texts_compile_to_the_same_bytes_on_any_day(catalog):
    with time_machine.travel("2031-05-06 07:08:09+00:00", tick=False):
        later = messages.mo_bytes(catalog)
    assert later == messages.mo_bytes(catalog)
    assert b"2031" not in later


def test_the_file_stays_as_the_tool_writes_it(catalog):
    written = messages.po_path(str(catalog.locale)).read_bytes()
    assert written == messages.po_bytes(messages.updated(str(catalog.locale))), NOT_CURRENT


def test_the_extractor_sees_python_templates_plurals_and_contexts(monkeypatch, tmp_path):
    code = b'_("A bet")\nngettext("%(n)d bet", "%(n)d bets", n)\npgettext("key", "Enter")\n'
    template = b' _("House edge %(edge)s") '
    monkeypatch.setattr(
        messages,
        "sources",
        lambda: iter([(messages.ROOT / "a.py", code), (messages.ROOT / "b.html", template)]),
    )
    found = {(m.context, m.id): "python-format" in m.flags for m in messages.found() if m.id}
    assert found == {
        (None, "A bet"): False,
        (None, ("%(n)d bet", "%(n)d bets")): True,
        ("key", "Enter"): False,
        (None, "House edge %(edge)s"): True,
    }


def test_the_compiled_file_is_one_that_gettext_reads(catalog):
    read = gettext.GNUTranslations(io.BytesIO(messages.mo_bytes(catalog)))
    assert read.gettext("No more bets") == "Nichts geht mehr"
    assert read.ngettext("Last %(spins)s round.", "Last %(spins)s rounds.", 1).startswith(
        "Die letzte"
    )

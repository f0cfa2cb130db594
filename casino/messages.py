"""The texts of the site in other languages: found in the source, kept in `locale/`, compiled.

`bin/messages` finds every text that Python code and templates mark for translation, brings
`locale/*/LC_MESSAGES/django.po` up to date with them and compiles the `.mo` that Django reads.
Needs Babel and Django's template lexer, no gettext tools, no settings, no database.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
#: Languages beside English, in which the source is written.
LANGUAGES = ("de",)
#: Where texts of ours stand. `tests`, `verify` and the studio's processes speak English to staff.
APPS = (
    *("kernel", "audit", "events", "notices", "accounts", "ledger", "compliance", "payments"),
    *("tables", "streaming", "backoffice", "casino"),
)
#: gettext's functions, as Django's names and as the templates' lexer writes them; numbers are the
#: positions of context (with "c"), singular and plural among the arguments.
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
#: The compiled file has a date in its header; the same texts must give the same bytes.
NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)
#: Of a line in the `.po`, as everywhere in the source.
WIDTH = 100


def po_path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def sources() -> Iterator[tuple[Path, bytes]]:
    """Every file that may hold texts, with its content as Python code for the extractor."""
    if not settings.configured:
        settings.configure()
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path, path.read_bytes()
    templates = [ROOT / "templates", *(ROOT / app / "templates" for app in APPS)]
    for folder in templates:
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".html", ".txt"}:
                yield path, str(templatize(path.read_text("utf-8"), origin=path.name)).encode()


def found() -> Catalog:
    """The texts that the source marks today, each with the files that use it."""
    catalog = Catalog(project="Faro", charset="utf-8", fuzzy=False)
    for path, code in sources():
        name = path.relative_to(ROOT).as_posix()
        for line, message, comments, context in extract(
            "python", io.BytesIO(code), KEYWORDS, comment_tags=("Translators:",)
        ):
            catalog.add(
                message,
                locations=[(name, line)],
                auto_comments=comments,
                context=context,
                flags={"python-format"} if _has_placeholders(message) else set(),
            )
    return catalog


def _has_placeholders(message: str | tuple[str, ...]) -> bool:
    words = message if isinstance(message, tuple) else (message,)
    return any("%(" in word for word in words if word)


def translated(language: str) -> Catalog:
    """The catalogue of ``language`` as it lies in the repository; empty where there is none."""
    path = po_path(language)
    if not path.exists():
        return Catalog(locale=language, project="Faro", charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def updated(language: str) -> Catalog:
    """Yesterday's translations for today's texts: new ones empty, unused ones gone, no guesses."""
    catalog = translated(language)
    catalog.update(found(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    catalog.fuzzy = False
    return catalog


def po_bytes(catalog: Catalog) -> bytes:
    """The catalogue as a file that differs only where texts do: no dates, no line numbers."""
    out = io.BytesIO()
    write_po(out, catalog, width=WIDTH, omit_header=True, sort_output=True, include_lineno=False)
    return _header(catalog) + out.getvalue()


def _header(catalog: Catalog) -> bytes:
    return (
        f"# {catalog.locale.display_name if catalog.locale else ''} texts of Faro.\n"
        'msgid ""\nmsgstr ""\n'
        f'"Language: {catalog.locale_identifier}\\n"\n'
        '"MIME-Version: 1.0\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        '"Content-Transfer-Encoding: 8bit\\n"\n'
        f'"Plural-Forms: {catalog.plural_forms}\\n"\n\n'
    ).encode()


def mo_bytes(catalog: Catalog) -> bytes:
    """What Django reads. The same texts give the same bytes."""
    plain = read_po(io.BytesIO(po_bytes(catalog)), locale=catalog.locale)
    plain.creation_date = NO_DATE  # Babel would write the minute in which it ran
    out = io.BytesIO()
    write_mo(out, plain)
    return out.getvalue()


def main() -> int:
    """Exit code 1 while a text of ours has no translation yet; each is named."""
    missing = 0
    for language in LANGUAGES:
        catalog = updated(language)
        path = po_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(po_bytes(catalog))
        path.with_suffix(".mo").write_bytes(mo_bytes(catalog))
        empty = [message for message in catalog if message.id and not _complete(message.string)]
        for message in empty:
            sys.stdout.write(f"{language}: not translated: {message.id}\n")
        missing += len(empty)
        sys.stdout.write(f"{language}: {len(catalog)} texts, {len(empty)} to translate\n")
    return 1 if missing else 0


def _complete(text: object) -> bool:
    return all(text) if isinstance(text, tuple | list) else bool(text)


if __name__ == "__main__":
    sys.exit(main())

"""The formats the house reads, by name, and which of them a file is in.

A format is a reader for one kind of file, or a mapping of CSV columns. Without a name the file's
own beginning says which; where none or several would do, it is refused rather than guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from django.conf import settings

from payments.files import camt, csv_reading, mapping, mt940, paypal, plain_text
from payments.files.mapping import BadMapping, Csv, heading
from payments.files.parsed import Parsed, Staged
from payments.files.words import FileCode, FileRefused, fault

Reader = Callable[[Staged, Path], Parsed]

BUNDLED: Final = Path(__file__).parent / "mappings"
#: Formats with a reader of their own: name → reader, and what tells a file of it.
READERS: Final[dict[str, Reader]] = {
    camt.FORMAT: camt.read,
    mt940.FORMAT: mt940.read,
    paypal.FORMAT: paypal.read,
}
KNOWN_BY: Final[dict[str, Callable[[list[str]], bool]]] = {
    camt.FORMAT: camt.shows,
    mt940.FORMAT: mt940.shows,
    paypal.FORMAT: paypal.shows,
}


def names() -> list[str]:
    """Every format by name, sorted."""
    return sorted([*READERS, *mappings()])


def mappings() -> dict[str, Csv]:
    """CSV mappings by name: those that come with Faro and the operator's, read anew each time.

    Raises ``BadMapping``, also where an operator's has the name of another.
    """
    found = dict(_bundled())
    folder = settings.RECONCILIATION_MAPPINGS
    for path in sorted(Path(folder).glob("*.yaml")) if folder else ():
        one = mapping.read(path.name, path.read_text("utf-8"))
        if one.name in found or one.name in READERS:
            raise BadMapping(path.name, "name", f"{one.name} is taken")
        if path.stem != one.name:
            raise BadMapping(path.name, "name", f"{one.name} lies in {one.name}.yaml")
        found[one.name] = one
    return found


@cache
def _bundled() -> Mapping[str, Csv]:
    paths = sorted(BUNDLED.glob("*.yaml"))
    return {path.stem: mapping.read(path.name, path.read_text("utf-8")) for path in paths}


def read(staged: Staged, place: Path, name: str = "") -> Parsed:
    """The rows of ``staged``, by the format called ``name`` or by the one that it shows.

    Raises ``FileRefused``: UNKNOWN_FORMAT, or whatever is wrong with the file.
    """
    known = mappings()
    chosen = name or _shown(staged, known)
    if chosen in READERS:
        return READERS[chosen](staged, place)
    if chosen in known:
        return csv_reading.read(staged, place, known[chosen])
    raise FileRefused(fault(FileCode.UNKNOWN_FORMAT, value=name))


def _shown(staged: Staged, known: Mapping[str, Csv]) -> str:
    lines = plain_text.beginning(staged.path, "utf-8")
    found = [name for name, shows in KNOWN_BY.items() if shows(lines)]
    found += [name for name, csv in known.items() if _shows(staged, csv)]
    if not lines:
        raise FileRefused(fault(FileCode.EMPTY_FILE))
    if len(found) != 1:
        raise FileRefused(fault(FileCode.UNKNOWN_FORMAT, value=", ".join(found) or lines[0][:80]))
    return found[0]


def _shows(staged: Staged, csv: Csv) -> bool:
    """Whether a file begins as this mapping says."""
    lines = plain_text.beginning(staged.path, csv.encoding)
    if csv.first_line:
        return bool(lines) and lines[0].startswith(csv.first_line)
    if csv.head:
        lines = [line for line in lines if not line.startswith(csv.head.start)]
    there = {heading(one) for one in csv_reading.cells(lines[0], csv)} if lines else set()
    return there.issuperset(csv.headings) and there.isdisjoint(csv.without)

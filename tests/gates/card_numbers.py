"""`python -m tests.gates.card_numbers`: no file of ours holds a number of a payment card."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from audit.card_numbers import has_card

ROOT = Path(__file__).resolve().parent.parent.parent


def files() -> list[Path]:
    """Every file that git knows or would add."""
    words = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "--cached", "--others",
             "--exclude-standard"]  # fmt: skip
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def findings(paths: list[Path]) -> list[str]:
    """Where a number stands, by file and line; in files of bytes, by file."""
    found = []
    for path in paths:
        text = path.read_bytes().decode("utf-8", errors="replace")
        if has_card(text):
            found += [
                f"{path}:{number}"
                for number, line in enumerate(text.splitlines(), 1)
                if has_card(line)
            ]
    return found


if __name__ == "__main__":
    looked_at = files()
    told = findings(looked_at)
    for place in told:
        sys.stdout.write(f"card number: {place}\n")
    sys.stdout.write(f"{len(looked_at)} files, {len(told)} numbers of cards\n")
    sys.exit(1 if told or len(looked_at) < 100 else 0)

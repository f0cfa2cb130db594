"""Programs from outside Python that some gates and tests use: installed where we may, else named.

Nothing here is fatal: what is missing becomes a counted skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
#: Debian's package → a file or command that tells that it is there.
PACKAGES = {
    "chromium": "chromium",
    "hledger": "hledger",
    "nginx-light": "nginx",
    "postgresql-15": "/usr/lib/postgresql/15/bin/postgres",
}
INSTALL_TIMEOUT_S = 600


def install() -> list[str]:
    """Install what is missing and may be installed; returns a line for each that stays missing."""
    missing = [package for package, proof in PACKAGES.items() if not _is_there(proof)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        _apt(missing)
    _npm()
    left = [package for package, proof in PACKAGES.items() if not _is_there(proof)]
    return [f"{package}: {_why()}" for package in left]


def _is_there(proof: str) -> bool:
    return Path(proof).exists() if proof.startswith("/") else shutil.which(proof) is not None


def _why() -> str:
    if os.geteuid() != 0:
        return "not installed, and only root can install it"
    return "not installed, and apt-get could not install it"


def _apt(packages: list[str]) -> None:
    """One package at a time, so that one that cannot be had does not take the others along."""
    # RUNLEVEL=1 keeps Debian's scripts from starting nginx and PostgreSQL on this machine.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    _quietly(["apt-get", "update", "-qq"], environment)
    for package in packages:
        sys.stdout.write(f"installing {package}\n")
        _quietly(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], environment
        )


def _npm() -> None:
    complete = Path(biome()).exists() and axe().exists()
    if shutil.which("npm") and not complete and os.access(ROOT, os.W_OK):
        words = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
        _quietly(words, dict(os.environ))


def _quietly(words: list[str], environment: dict[str, str]) -> None:
    """Run it; a failure shows later, as the thing that is still missing."""
    try:
        subprocess.run(
            words,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        sys.stdout.write(f"{words[0]} took over {INSTALL_TIMEOUT_S} s and was ended\n")


def biome() -> str:
    return str(ROOT / "node_modules" / ".bin" / "biome")


def why_no_biome() -> str:
    if Path(biome()).exists():
        return ""
    return "npm could not install it" if shutil.which("npm") else "npm is not installed"


def why_no_postgres_15() -> str:
    proof = PACKAGES["postgresql-15"]
    return "" if Path(proof).exists() else "Debian's postgresql-15 is not installed"


def chromium() -> str:
    """Debian's Chromium; the one that Playwright would download is never used."""
    return shutil.which("chromium") or ""


def why_no_chromium() -> str:
    return "" if chromium() else "Debian's chromium is not installed"


def axe() -> Path:
    """The accessibility rules as one script, from npm."""
    return ROOT / "node_modules" / "axe-core" / "axe.min.js"


def why_no_axe() -> str:
    if axe().exists():
        return ""
    return "npm could not install axe-core" if shutil.which("npm") else "npm is not installed"


def why_no_node() -> str:
    return "" if shutil.which("node") else "node is not installed"


def why_no_hledger() -> str:
    return "" if shutil.which("hledger") else "Debian's hledger is not installed"


def git(*words: str) -> str:
    """What git says of this repository, whoever owns its files; raises ``CalledProcessError``."""
    return subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), *words],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def why_no_history() -> str:
    """Why commits before this one cannot be looked at; empty where they can."""
    try:
        is_shallow = git("rev-parse", "--is-shallow-repository")
    except (OSError, subprocess.CalledProcessError):
        return "no repository that git reads: its history is what is looked at"
    return "a shallow clone: its history is what is looked at" if is_shallow == "true" else ""

"""Makes ``.venv`` from hashed requirement files, on a machine that has Python and nothing else.

Debian's ``python3 -m venv`` fails without the package python3-venv, so uv makes the environment:
the one on PATH, else its wheel, fetched with the pip wheel that lies beside this file and checked
against the hashes in ``uv.txt``. Where packages come from is this machine's business: pip's own
configuration (index, certificate) is read and handed on.

Prints the path of the environment's python on stdout; anything a person should read on stderr.
A failure is one line and exit code 1. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
STAMP = ENVIRONMENT / "faro-requirements.json"
#: Exists while packages are being installed; if we find it, an earlier run was interrupted.
UNFINISHED = ENVIRONMENT / "faro-unfinished"
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

#: pip's option name → the variable that tells uv the same.
CARRIED_OVER = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
    "proxy": "HTTPS_PROXY",
}


class Failed(Exception):
    """One line for a person."""


def main(names: list[str]) -> int:
    wanted = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names}
    try:
        if not is_ready(wanted):
            with alone():
                if not is_ready(wanted):
                    make(wanted)
    except Failed as failure:
        say(str(failure))
        return 1
    except OSError as failure:
        say(f"cannot set up {ENVIRONMENT}: {failure}")
        return 1
    sys.stdout.write(f"{PYTHON}\n")
    return 0


def is_ready(wanted: dict[str, str]) -> bool:
    """True when every wanted file is installed as it is now: nothing to do, no time spent."""
    return PYTHON.exists() and not UNFINISHED.exists() and wanted.items() <= installed().items()


def installed() -> dict[str, str]:
    try:
        return dict(json.loads(STAMP.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def make(wanted: dict[str, str]) -> None:
    """Make the environment where it is missing or broken, install, remember what was installed."""
    if not os.access(ENVIRONMENT if ENVIRONMENT.exists() else ROOT, os.W_OK):
        raise Failed(f"cannot write to {ROOT}: clone Faro into a directory that you own")
    say(f"setting up {ENVIRONMENT} (once; needs the package index)")
    with tempfile.TemporaryDirectory(prefix="faro-bootstrap-") as scratch:
        environment = machine_environment(Path(scratch))
        uv = find_uv(Path(scratch), environment)
        if UNFINISHED.exists() or not PYTHON.exists():
            base = getattr(sys, "_base_executable", sys.executable)
            run(
                "make .venv",
                [uv, "venv", "--quiet", "--clear", "--python", base, str(ENVIRONMENT)],
                environment,
            )
        UNFINISHED.touch()
        files = [word for name in wanted for word in ("-r", str(ROOT / name))]
        # Compiled now, each of our dozen processes starts in half the time (4.3 s → 1.9 s).
        command = [uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--require-hashes"]
        command.append("--compile-bytecode")
        run("install the packages", [*command, *files], environment)
        if not (ENVIRONMENT / "bin" / "uv").exists():
            shutil.copy2(uv, ENVIRONMENT / "bin" / "uv")
    STAMP.write_text(json.dumps(installed() | wanted, indent=1))
    UNFINISHED.unlink()


def find_uv(scratch: Path, environment: dict[str, str]) -> str:
    """uv from PATH or from an earlier run; else from its wheel, hash-checked."""
    for found in (shutil.which("uv"), shutil.which("uv", path=str(ENVIRONMENT / "bin"))):
        if found and works([found, "--version"]):
            return shutil.copy2(found, str(scratch / "uv"))  # .venv may be cleared under it
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--retries=2", "--timeout=20"]
    run("fetch uv", [*pip(), "download", *options, "--require-hashes", "-r", str(HERE / "uv.txt"),
         "--dest", str(scratch)], environment)  # fmt: skip
    with zipfile.ZipFile(next(scratch.glob("uv-*.whl"))) as wheel:
        member = next(name for name in wheel.namelist() if name.endswith("/scripts/uv"))
        (scratch / "uv").write_bytes(wheel.read(member))
    (scratch / "uv").chmod(0o755)
    return str(scratch / "uv")


def works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def pip() -> list[str]:
    return [sys.executable, str(next(HERE.glob("pip-*.whl")) / "pip")]


def machine_environment(scratch: Path) -> dict[str, str]:
    """This process's environment, with pip's configuration said in uv's words where uv has none."""
    environment = dict(os.environ)
    if SYSTEM_CERTIFICATES.exists():
        environment.setdefault("SSL_CERT_FILE", str(SYSTEM_CERTIFICATES))
    listed = subprocess.run([*pip(), "config", "list"], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        variable = CARRIED_OVER.get(key.rpartition(".")[2])
        if variable is not None:
            between = "," if variable == "UV_FIND_LINKS" else " "
            environment.setdefault(variable, between.join(ast.literal_eval(value).split()))
    # The hashes are pinned, so an extra index cannot slip in another file under a known name.
    environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    environment.pop("VIRTUAL_ENV", None)
    if not os.access(Path.home(), os.W_OK):
        environment.setdefault("UV_CACHE_DIR", str(scratch / "cache"))
    return environment


def run(what: str, command: list[str], environment: dict[str, str]) -> None:
    """Run it; on failure the most telling line of what it printed becomes the one line."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        telling = [line for line in lines if line.lower().startswith(("error", "×", "caused by"))]
        said = " ".join(telling or lines[-1:] or ["no message"])[:400]
        raise Failed(f"cannot {what}: {said} (is the package index of pip's settings reachable?)")


@contextmanager
def alone() -> Iterator[None]:
    """Two set-ups of one clone at once: the second waits and finds the work done."""
    handle = os.open(HERE, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def say(line: str) -> None:
    sys.stderr.write(f"faro: {line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

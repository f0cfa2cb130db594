"""The state directory of one run: where each thing lies, and who may use it now."""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from casino.supervisor.failure import CannotStart

#: A directory without this file is not ours, and `--reset` will not delete it.
MARKER = "faro-state"
#: A log that grew past this is put aside (one old copy) at the next start.
LOG_BYTES_MAX = 20_000_000


@dataclass(frozen=True, slots=True)
class State:
    """Paths below one state directory."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets.env"

    @property
    def demo(self) -> Path:
        """What the demo data made: tables and one login per role. Written by `demo_data`."""
        return self.root / "demo.json"

    @property
    def studio(self) -> Path:
        return self.root / "studio"

    @property
    def devices(self) -> Path:
        """Public keys of the studio's devices, read by `demo_data`."""
        return self.studio / "devices.json"

    @property
    def psp_secret(self) -> Path:
        """What the simulated payment provider signs its webhooks with."""
        return self.root / "psp.secret"

    @property
    def inbox(self) -> Path:
        """Where the provider and the bank of the demo drop their files, and we look for them."""
        return self.root / "inbox"

    def config(self, name: str) -> Path:
        """The configuration that we write for a process without Django."""
        return self.studio / f"{name}.json"

    @property
    def check_result(self) -> Path:
        return self.root / "check.json"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Make the directory itself. Raises ``CannotStart`` where we may not."""
        try:
            fresh = not self.root.exists()
            self.root.mkdir(parents=True, exist_ok=True)
            if fresh or not any(self.root.iterdir()):
                (self.root / MARKER).touch()
            os.close(self._open_lock())
        except OSError as failure:
            raise CannotStart(f"cannot write the state directory {self.root}: {failure}") from None

    def _open_lock(self) -> int:
        return os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o644)

    def prepare(self) -> None:
        """Make the directories below it; put long logs aside. Raises ``CannotStart``."""
        try:
            (self.root / MARKER).touch()
            for directory in (self.logs, self.studio):
                directory.mkdir(exist_ok=True)
            self.studio.chmod(0o700)
            for log in self.logs.glob("*.log"):
                if log.stat().st_size > LOG_BYTES_MAX:
                    log.replace(log.with_suffix(".log.old"))
        except OSError as failure:
            raise CannotStart(f"cannot write the state directory {self.root}: {failure}") from None

    def write_private(self, path: Path, text: str) -> None:
        """Write a file that only its owner reads; never readable by others, not for a moment."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)

    def lock(self) -> int:
        """Take the directory for this process; refused while another `bin/up` runs on it.

        The kernel gives the lock back when the process ends, however it ends. The file descriptor
        must stay open.
        """
        handle = self._open_lock()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
            os.close(handle)
            raise CannotStart(
                f"another bin/up (process {holder}) uses {self.root}; stop it, or choose another "
                "directory with --state"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        return handle

    def reset(self) -> None:
        """Forget everything but the lock. Refuses a directory that Faro did not make."""
        if not (self.root / MARKER).exists():
            raise CannotStart(f"{self.root} was not made by Faro; --reset leaves it alone")
        for path in self.root.iterdir():
            if path.name in {"lock", MARKER}:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

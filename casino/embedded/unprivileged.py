"""PostgreSQL refuses to run as root: how a root session runs it as somebody else.

A user namespace maps root to an ordinary id and works even where binaries and data lie under a
0700 home. Where namespaces are forbidden, ``setpriv`` drops to ``nobody``, whose data directory
must then be reachable.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

#: The id seen inside the namespace. Any non-zero id does; 1000 is what a desktop user has.
MAPPED_ID = 1000


class CannotDropRoot(RuntimeError):
    """We are root and this machine offers no way to run PostgreSQL as another user."""


@cache
def prefix() -> tuple[str, ...]:
    """Words to put before a command so that it does not run as root; empty when we are not root."""
    if os.geteuid() != 0:
        return ()
    unshare = shutil.which("unshare")
    if unshare is not None:
        words = (
            unshare,
            "--user",
            f"--map-user={MAPPED_ID}",
            f"--map-group={MAPPED_ID}",
        )
        tried = subprocess.run([*words, "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            return words
    setpriv = shutil.which("setpriv")
    if setpriv is not None:
        return (setpriv, "--reuid=65534", "--regid=65534", "--clear-groups")
    raise CannotDropRoot(
        "PostgreSQL does not run as root, and neither 'unshare --user' nor 'setpriv' works here. "
        "Start as an ordinary user, or set DATABASE_URL to a real server."
    )


def needs_chown() -> bool:
    """True where the data directory must belong to ``nobody`` (the setpriv way)."""
    words = prefix()
    return bool(words) and words[0].endswith("setpriv")

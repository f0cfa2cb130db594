#!/bin/sh
# Makes or refreshes .venv from the requirement files given, and prints its python.
# Needs a Python 3.11 or newer and nothing else: no pip, no venv module, no root.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)

for candidate in python3.11 python3 python3.12 python3.13; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
    then
        exec "$candidate" "$here/environment.py" "$@"
    fi
done
echo "Faro needs Python 3.11 (Debian: the package python3); none was found on PATH." >&2
exit 1

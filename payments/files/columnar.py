"""The columnar engine, bounded and shut in: so much memory, two threads, one folder, no network.

DuckDB here is a calculator: it reads and writes files of one folder of the store and nothing else,
loads no extension, and nothing that it reads can change that.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
from django.conf import settings

from payments.files.rows import literal


def connect(folder: Path, *, readable: tuple[Path, ...] = ()) -> duckdb.DuckDBPyConnection:
    """An engine that works in ``folder`` (made by the caller) and also reads ``readable``.

    Tables larger than ``RECONCILIATION_MEMORY_MB`` go to the folder. Instants are UTC.
    """
    engine = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{settings.RECONCILIATION_MEMORY_MB}MB",
            "threads": str(settings.RECONCILIATION_THREADS),
            "temp_directory": str(folder),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "true",
        },
    )
    engine.execute("SET TimeZone = 'UTC'")
    places = ", ".join(literal(str(place)) for place in (folder, *readable))
    engine.execute(f"SET allowed_directories = [{places}]")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")
    return engine

"""``python -m studio.controller --config FILE.json``: reads devices, reports what they saw.

Exit status 0 when stopped by SIGTERM, 2 when the configuration cannot be used.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from kernel.clock import SystemClock
from studio.controller.config import load
from studio.controller.table import TableController
from studio.controller.transport import HttpTransport
from studio.lifetime import run_process, stop_on_signals


async def _run(path: Path) -> None:
    config = load(path)
    stop = stop_on_signals()
    transport = HttpTransport(config.platform_url)
    tables = [
        TableController(
            table,
            transport,
            SystemClock(),
            state_dir=config.state_dir / table.id,
            time_scale=config.time_scale,
        )
        for table in config.tables
    ]
    try:
        async with asyncio.TaskGroup() as group:
            for table in tables:
                group.create_task(table.run(stop))
    finally:
        await transport.close()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="studio.controller", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args(arguments)
    return run_process("controller", _run(options.config))


if __name__ == "__main__":
    sys.exit(main())

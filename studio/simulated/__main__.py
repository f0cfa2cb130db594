"""``python -m studio.simulated --config FILE.json``: wheels, balls and presenters on wires.

The only process that knows outcomes before the sensors do. Exit status 0 when stopped by SIGTERM,
2 when the configuration or a port cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from studio.lifetime import run_process, stop_on_signals
from studio.simulated.config import load
from studio.simulated.server import serve


async def _run(path: Path) -> None:
    await serve(load(path), stop_on_signals())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="studio.simulated", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args(arguments)
    return run_process("studio", _run(options.config))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m casino.check --base URL --result FILE`: play, and write how it went as JSON."""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from casino.check import account, cashier, picture, play
from casino.check.failure import StepFailed
from casino.check.visitor import Visitor
from kernel.clock import SystemClock, monotonic_ms


class Check:
    """The steps in order; the first that fails ends it and names itself."""

    def __init__(self, base: str, stream: str, speed: int) -> None:
        self.base = base
        self.stream = stream
        self.visitor = Visitor(base)
        self.round_ms_max = play.round_ms_max(speed)
        email = f"check-{secrets.token_hex(4)}@example.org"
        self.person = account.Person(email, f"a-quiet-lighthouse-{secrets.token_hex(4)}")
        self.result: dict[str, Any] = {"ok": False, "seconds": {}}

    def run(self) -> dict[str, Any]:
        """Every step; the result says ``ok`` or the failed step and why."""
        for step in (
            self.sign_up,
            self.sign_in,
            self.deposit,
            self.round,
            self.picture,
            self.books,
        ):
            name = step.__name__
            began_ms = monotonic_ms()
            try:
                step()
            except (StepFailed, httpx.HTTPError, KeyError, ValueError) as failure:
                traceback.print_exc()
                return self.result | {"failed_step": name, "error": _one_line(failure)}
            self.result["seconds"][name] = round((monotonic_ms() - began_ms) / 1000, 1)
        self.visitor.close()
        return self.result | {"ok": True}

    def sign_up(self) -> None:
        account.sign_up(self.visitor, self.person)

    def sign_in(self) -> None:
        account.sign_in_again(self.visitor, self.person)

    def deposit(self) -> None:
        self.result["balance_minor"] = cashier.deposit(self.visitor)

    def round(self) -> None:
        played = play.play_one_round(self.visitor, self.base, self.round_ms_max)
        self.result |= {
            "phases_seen": played.phases,
            "result": played.result,
            "round_seconds": round(played.round_ms / 1000, 1),
            "staked_minor": sum(played.bets.values()),
            "paid_minor": played.paid_minor,
            "expected_minor": played.expected_minor,
            "push": played.push,
        }

    def picture(self) -> None:
        self.result["stream"] = asdict(picture.watch(self.stream, play.TABLE, SystemClock()))

    def books(self) -> None:
        """`check_ledger` over everything that this run did."""
        words = [sys.executable, "manage.py", "check_ledger", "--format", "json"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StepFailed(f"check_ledger: {(done.stdout or done.stderr).strip()[-300:]}")
        self.result["ledger"] = json.loads(done.stdout)["counts"]


def _one_line(failure: Exception) -> str:
    return f"{type(failure).__name__}: {failure}".replace("\n", " ")[:300]


def main(words: list[str]) -> int:
    """Exit code 0 when the player got exactly what the rules promise."""
    parser = argparse.ArgumentParser(prog="python -m casino.check")
    parser.add_argument("--base", required=True, help="address of the web role")
    parser.add_argument("--stream", required=True, help="address of the stream role")
    parser.add_argument("--speed", type=int, default=1, help="of the demo's rounds")
    parser.add_argument("--result", type=Path, required=True, help="file for the result")
    options = parser.parse_args(words)
    result = Check(options.base, options.stream, options.speed).run()
    options.result.write_text(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

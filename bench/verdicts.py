"""When a benchmark has failed, by what it measured: rules that can be tested without measuring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: Milliseconds in which 99 of 100 messages of a provider are answered, while it is reconciled.
ACK_P99_MS: Final = 50.0
#: Of the time that is measured, during so much a reconciliation has to be at work.
AT_WORK_LEAST: Final = 0.9
#: So often each process of a storm is killed.
EACH_KILLED_LEAST: Final = 3
#: Of so many messages by chance at least these shares came twice and were lost; 20 % and 5 % were
#: meant to, and of those that were lost none came twice.
MANY_EVENTS: Final = 500
DUPLICATED_LEAST: Final = 0.12
LOST_LEAST: Final = 0.02
#: Reconciling a provider's month: so much of what the other takes, and so much memory, at most.
RATIO_DUCKDB: Final = 1.5
PEAK_MB: Final = 1_500
#: Here so much is no longer quicker.
RATIO_PANDAS: Final = 1.0


def chaos(found: Mapping[str, Any], *, asked: int) -> list[str]:
    """What is wrong with a storm of ``asked`` messages; empty where nothing is.

    A storm that did not blow proves nothing: its payers lived to the end, each process was killed
    several times, each thing that people and banks do was done, and messages came twice and got
    lost, of many as often as they should.
    """
    bad = ("drift", "stuck", "violations", "payers_ended_badly")
    wrong = [name for name in bad if found[name]]
    calm = ("duplicated", "lost", "kills", "deposits", "withdrawals")
    wrong += [f"no {name}" for name in calm if not found[name]]
    if found["events"] < asked:
        wrong.append("events")
    wrong += [
        f"not killed {EACH_KILLED_LEAST} times: {name}"
        for name, count in found["killed"].items()
        if count < EACH_KILLED_LEAST
    ]
    wrong += [f"nobody did: {name}" for name, count in found["acts"].items() if not count]
    if found["events"] >= MANY_EVENTS:
        wrong += [
            f"seldom {name}"
            for name, share in (("duplicated", DUPLICATED_LEAST), ("lost", LOST_LEAST))
            if found[name] and found[name] / found["events"] < share
        ]
    return wrong


def webhooks(found: Mapping[str, Any], *, alone: bool) -> list[str]:
    """What is wrong with a measurement of the door; ``alone``: without a reconciliation."""
    wrong = []
    if set(found["statuses"]) != {"200"}:
        wrong.append("statuses")
    if found["events_kept"] != found["events_sent"]:
        wrong.append("events_kept")
    if found["ack_p99_ms"] > ACK_P99_MS:
        wrong.append("ack_p99_ms")
    if not alone and found["reconciling_share"] < AT_WORK_LEAST:
        wrong.append("reconciling_share")
    return wrong


def reconcile(found: Mapping[str, Any]) -> list[str]:
    """What is wrong with a reconciled month: found wrongly, or missed goals.

    A month in which a kind of difference is not planted says nothing about that kind.
    """
    wrong = [name for name in ("missed", "false", "drift") if found[name]]
    wrong += [f"no {kind}" for kind, count in found["kinds"].items() if not count]
    if found["ratio_duckdb"] > RATIO_DUCKDB:
        wrong.append("ratio_duckdb")
    if found["ratio_pandas"] >= RATIO_PANDAS:
        wrong.append("ratio_pandas")
    if found["peak_mb"] > PEAK_MB:
        wrong.append("peak_mb")
    return wrong

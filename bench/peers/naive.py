"""Bets as most people would write them: one transaction each, player and house row locked.

psycopg, prepared, pooled: 32 connections, each a thread. Correct, and every bet of a table waits
for the house row of that table.
"""

from __future__ import annotations

import secrets
import threading
from time import perf_counter
from typing import Final

import psycopg
from psycopg_pool import ConnectionPool

from bench.database.cpu import server_cpu_s
from bench.posting.batches import Rate

CONNECTIONS: Final = 32

TABLES: Final = """
CREATE TABLE naive_account (
    id bigint PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0));
CREATE TABLE naive_bet (
    id uuid PRIMARY KEY, account bigint NOT NULL, amount bigint NOT NULL, after bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO naive_account SELECT n, 1000000000 FROM generate_series(0, 100) n;
"""


def prepare(url: str) -> None:
    """Its tables: account 0 is the house, 1 to 100 are players."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(TABLES)


def measure(url: str, *, seconds: float, postmaster: int, players: int = 100) -> Rate:
    """Bets of ``players`` for ``seconds``."""
    done = [0] * CONNECTIONS
    with ConnectionPool(url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        pool.wait(60)
        before, started = server_cpu_s(postmaster), perf_counter()
        until = started + seconds

        def work(n: int) -> None:
            while perf_counter() < until:
                with pool.connection() as db:
                    _bet(db, 1 + secrets.randbelow(players))
                done[n] += 1

        threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = perf_counter() - started
    return Rate(sum(done), took, server_cpu_s(postmaster) - before)


def _bet(db: psycopg.Connection, player: int) -> None:
    with db.transaction():
        row = db.execute(
            "SELECT balance FROM naive_account WHERE id = %s FOR UPDATE", [player], prepare=True
        ).fetchone()
        db.execute("SELECT 1 FROM naive_account WHERE id = 0 FOR UPDATE", prepare=True)
        after = (row[0] if row else 0) - 1
        db.execute(
            "UPDATE naive_account SET balance = %s WHERE id = %s", [after, player], prepare=True
        )
        db.execute("UPDATE naive_account SET balance = balance + 1 WHERE id = 0", prepare=True)
        db.execute(
            "INSERT INTO naive_bet (id, account, amount, after)"
            " VALUES (gen_random_uuid(), %s, 1, %s)",
            [player, after],
            prepare=True,
        )

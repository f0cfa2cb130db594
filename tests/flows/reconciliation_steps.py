"""Steps for tests of reconciliation: books and files of any day, and what a run finds."""

import csv
import hashlib
import io
import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import psycopg

from kernel.ids import Actor, new_id
from kernel.money import Money
from payments.files import columnar, store
from payments.files.arriving import StreamArrival
from payments.files.importing import Delivery, Way, take
from payments.files.models import SourceFile
from payments.files.rows import BankRow, write
from payments.files.words import FileKind
from payments.reconciliation import runs
from payments.reconciliation.policy import Policy, current_policy

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
IMPORTER = Actor.system("test")
#: The other side of each kind's transfer.
COUNTER = {
    "deposit": ("player_cash", "player:1"),
    "deposit_reversal": ("player_cash", "player:1"),
    "withdrawal_paid": ("player_held", "player:1"),
    "withdrawal_returned": ("player_cash", "player:1"),
    # the same payment booked a second time
    "suspense": ("player_cash", "player:1"),
    "dispute": ("chargebacks", "psp:simulated"),
    "psp_fee": ("psp_fees", "psp:simulated"),
    "psp_settlement": ("bank", "bank:main"),
    "adjustment": ("adjustments", "house:main"),
}


@dataclass(frozen=True)
class Booked:
    """One movement of the clearing account: ``minor`` towards us is positive."""

    kind: str
    minor: int
    at: datetime
    payment: UUID = field(default_factory=new_id)
    ref: str = ""
    currency: str = "EUR"
    transfer: UUID = field(default_factory=new_id)
    provider: str = "simulated"
    #: What it refers to where that is no payment.
    of: str = ""
    #: When its payment was made; None: now.
    made: datetime | None = None
    #: The deposit that a withdrawal goes back to.
    source: UUID | None = None


def book(owner: psycopg.Connection, items: list[Booked]) -> None:
    """Put movements of the past into the books, with their payments, as the ledger writes them."""
    accounts: dict[tuple[str, str, str], int] = {}
    balances: dict[int, list[int]] = {}

    def account(kind: str, ref: str, currency: str) -> int:
        key = (kind, ref, currency)
        if key not in accounts:
            (found,) = owner.execute(
                "SELECT o_id FROM ledger_ensure_accounts(ARRAY[%s], ARRAY[%s], ARRAY[%s])", key
            ).fetchone()
            accounts[key] = found
            balances[found] = list(
                owner.execute(
                    "SELECT posted, seq FROM ledger_account WHERE id = %s", [found]
                ).fetchone()
            )
        return accounts[key]

    for one in sorted(items, key=lambda one: one.at):
        clearing = account("psp_clearing", f"psp:{one.provider}", one.currency)
        other = account(*COUNTER[one.kind], one.currency)
        debit, credit = (clearing, other) if one.minor > 0 else (other, clearing)
        (batch,) = owner.execute(
            "INSERT INTO ledger_batch (key, fingerprint, kind, actor, n, total, posted_at) VALUES"
            " (%s, sha256(%s), %s, 'system:test', 1, %s, %s) RETURNING id",
            [f"test:{one.transfer}", one.transfer.bytes, one.kind, abs(one.minor), one.at],
        ).fetchone()
        owner.execute("INSERT INTO ledger_transfer_id VALUES (%s, %s, 1)", [one.transfer, batch])
        sides = []
        for where, minor in ((debit, -abs(one.minor)), (credit, abs(one.minor))):
            balances[where][0] += minor
            balances[where][1] += 1
            sides += [where, balances[where][1], balances[where][0]]
        owner.execute(
            "INSERT INTO ledger_transfer (id, batch, item, debit, debit_seq, debit_balance_after,"
            " credit, credit_seq, credit_balance_after, amount, kind, ref, permit, posted_at)"
            " VALUES (%s, %s, 1, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(one.transfer, batch, *sides, abs(one.minor), one.kind),
                *(one.of or f"payment:{one.payment}", one.payment, one.at),
            ],
        )
        if one.kind in {"deposit", "withdrawal_paid"}:
            table = "deposit" if one.kind == "deposit" else "withdrawal"
            _payment(owner, table, one)
    for found, (posted, seq) in balances.items():
        owner.execute(
            "UPDATE ledger_account SET posted = %s, seq = %s WHERE id = %s", [posted, seq, found]
        )
    owner.commit()


def _payment(owner: psycopg.Connection, table: str, one: Booked) -> None:
    more = {"redirect_url": "", "return_url": "", "arrived_currency": ""}
    if table == "withdrawal":
        more = {"approved_by": "", "request_id": one.payment, "route": ""}
    known = {
        row[0]
        for row in owner.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND attnotnull AND NOT atthasdef",
            [f"payments_{table}"],
        )
    }
    row = {
        "id": one.payment,
        "player_id": 1,
        "provider": one.provider,
        "provider_ref": one.ref or None,
        "key": one.payment.hex,
        "amount_minor": abs(one.minor),
        "currency": one.currency,
        "reason": "",
        "polls": 0,
        "state": "succeeded" if table == "deposit" else "paid",
    } | more
    if one.made is not None:
        row["created_at"] = one.made
    if one.source is not None:
        row |= {"source_deposit_id": one.source, "route": "refund"}
    for name in known - set(row):
        row[name] = 0 if name.endswith(("minor", "part", "parts")) else ""
    owner.execute(
        f"INSERT INTO payments_{table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",  # noqa: S608  (our own columns)
        list(row.values()),
    )


@dataclass(frozen=True)
class Said:
    """One row of the simulated provider's file, in minor units."""

    type: str
    gross: int
    at: datetime
    ref: str = ""
    merchant: str = ""
    fee: int = 0
    payout: str = ""
    dispute: str = ""
    currency: str = "EUR"
    net_currency: str = ""
    net: int | None = None
    rate: str = ""
    status: str = "settled"


def settlement(rows: list[Said], *, number: int = 1, since: datetime, until: datetime) -> bytes:
    """A file of the simulated provider."""
    text = [
        f"#file,simulated,{_z(since)},{_z(until)},{number}",
        "row_id,type,payment_ref,merchant_reference,dispute_ref,payout_id,currency,gross,fee,net,"
        "net_currency,fx_rate,created_utc,settled_utc,status",
    ]
    totals = defaultdict(lambda: [0, 0, 0, 0])
    for place, row in enumerate(rows):
        other = row.net_currency or row.currency
        net = row.gross - row.fee if row.net is None else row.net
        text.append(
            f"row_{place},{row.type},{row.ref},{row.merchant},{row.dispute},{row.payout},"
            f"{row.currency},{Money(row.gross, row.currency).decimal()},"
            f"{Money(row.fee, other).decimal()},{Money(net, other).decimal()},{other},{row.rate},"
            f"{_z(row.at)},{_z(row.at)},{row.status}"
        )
        for index, minor in enumerate((1, row.gross, row.fee, net)):
            totals[row.currency][index] += minor
    for currency, (count, *sums) in sorted(totals.items()):
        amounts = ",".join(Money(minor, currency).decimal() for minor in sums)
        text.append(f"#total,{currency},{count},{amounts}")
    return ("\n".join(text) + "\n").encode()


def _z(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def imported(body: bytes, name: str = "settlement.csv", **more) -> str:
    """Import a file that must be accepted; its SHA-256."""
    arrival = StreamArrival(io.BytesIO(body), len(body))
    outcome = take(arrival, Delivery(name, Way.COMMAND, **more), actor=IMPORTER)
    assert outcome.faults == (), [one.as_json() for one in outcome.faults]
    return outcome.file.sha256


def bank_imported(
    lines: list[tuple[int, str, datetime]],
    *,
    currency: str = "EUR",
    name: str = "main",
    account: str = "DE89370400440532013000",
    until: datetime | None = None,
) -> str:
    """Lines of the house's account as an accepted file keeps them: (minor, remittance, day)."""
    rows = [
        BankRow(
            row_no=number,
            account=account,
            statement_no="1",
            entry_no=number,
            bank_ref=f"bank_{number}",
            end_to_end_id="",
            batch_ref="",
            currency=currency,
            amount_minor=minor,
            booked_on=at.date(),
            value_on=at.date(),
            status="BOOK",
            counterparty="",
            remittance=said,
        )
        for number, (minor, said, at) in enumerate(lines, start=1)
    ]
    sha256 = hashlib.sha256(repr((name, currency, account, rows)).encode()).hexdigest()
    with store.workplace() as place, columnar.connect(place) as engine:
        write(engine, FileKind.BANK, rows, place / "rows.parquet")
        kept = store.keep_rows(place / "rows.parquet", sha256)
    days = [row.booked_on for row in rows]
    SourceFile.objects.create(
        sha256=sha256,
        kind="bank",
        source=name,
        format="test",
        original_name="bank.xml",
        original_path=f"originals/{sha256}",
        rows_path=kept,
        size_bytes=1,
        rows=len(rows),
        period_from=datetime.combine(min(days), time(), UTC),
        period_to=until or datetime.combine(max(days), time(), UTC),
        state="accepted",
        way="command",
        imported_by="system:test",
    )
    return sha256


def policy(**changes) -> Policy:
    """The policy, with no fees to be agreed unless a test says so."""
    known = current_policy()
    fees = changes.pop("fees", ())
    simulated = replace(
        known.providers["simulated"], fees=tuple(fees), **changes.pop("simulated", {})
    )
    made = replace(known, providers={"simulated": simulated}, **changes)
    return replace(made, digest=hashlib.sha256(repr(made).encode()).hexdigest())


def reconciled(as_of: datetime = AS_OF, **more) -> runs.Done:
    return runs.perform(as_of=as_of, policy=more.pop("policy", None) or policy(), **more)


def found(done: runs.Done) -> list[tuple]:
    """What the line file says, shortly: (kind, psp ref or payout or bank's, difference)."""
    with Path(done.lines).open(newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and rows[0]["run_id"] == "No activity":
        return []
    return sorted(
        (row["category"], row["psp_ref"] or row["payout_id"] or row["bank_ref"], row["difference"])
        for row in rows
    )


def day(number: int, hour: int = 12) -> datetime:
    """A day of the November of these tests."""
    return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=number - 1, hours=hour)


def pair(
    number: int, minor: int, at: datetime, *, payout: str = "", fee: int = 0, **more
) -> tuple[Booked, Said]:
    """A deposit that both sides have."""
    ref, payment = f"pay_{number}", UUID(int=number << 64 | 0x7 << 76 | 0x8 << 60)
    booked = Booked("deposit", minor, at, payment=payment, ref=ref, **more)
    said = Said(
        "payment", minor, at, ref=ref, merchant=str(payment), fee=fee, payout=payout, **more
    )
    return booked, said


def summary(done: runs.Done) -> dict:
    return json.loads(json.dumps(done.run.summary))

"""Steps for tests about money: accounts with something in them, permits, the whole of the books."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import psycopg
from django.db import connection, transaction

from kernel.ids import AccountId, Actor, PlayerId, RoundId, TableId, new_id
from ledger import accounts, chargebacks, disputes, permits
from ledger.checks import run_checks
from ledger.holds import Captured, Held, Voided, capture, hold, void
from ledger.posting import post, try_post
from ledger.postings import AccountKind, PostCode, Transfer, TransferKind

HOUR_MS = 3_600_000
TESTER = Actor.system("test")
#: The tables of the ledger whose rows come with play, without their prefix.
TABLES = (
    *("account", "batch", "transfer", "transfer_id"),
    *("permit", "permit_set"),
    *("hold", "hold_end"),
    *("adjustment", "adjustment_decision"),
    *("chargeback", "chargeback_decision", "chargeback_leg", "dispute"),
)


def adjustments(currency: str = "EUR") -> AccountId:
    return accounts.ensure_account(AccountKind.ADJUSTMENTS, "house:main", currency)


def escrow(currency: str = "EUR") -> AccountId:
    return accounts.escrow(RoundId(new_id()), currency)


def house(table: str = "alexandria", currency: str = "EUR") -> AccountId:
    return accounts.house(TableId(table), currency)


def funded(player: int, amount_minor: int, currency: str = "EUR") -> AccountId:
    """The cash account of ``player`` with ``amount_minor`` more in it."""
    cash = accounts.player_cash(PlayerId(player), currency)
    if amount_minor:
        adjusted(adjustments(currency), cash, amount_minor)
    return cash


def adjusted(debit: int, credit: int, amount_minor: int) -> UUID:
    """An adjustment that was proposed by the set-up, approved by the test and posted; its id."""
    transfer = approved(debit, credit, amount_minor)
    post_all([transfer])
    return transfer.id


def approved(debit: int, credit: int, amount_minor: int) -> Transfer:
    """The same, not posted yet. Both steps in one statement, since every test begins with it."""
    transfer = move(debit, credit, amount_minor, TransferKind.ADJUSTMENT)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT"
            " ledger_propose_adjustment(%s, %s, %s, %s, 'set_up', 'A test.', 'system:set-up'),"
            " ledger_decide_adjustment(%s, 'approved', 'system:test', '')",
            [transfer.id, debit, credit, amount_minor, transfer.id],
        )
        assert cursor.fetchone() == ("proposed", "decided")
    return transfer


def move(
    debit: int, credit: int, amount_minor: int, kind: TransferKind, **more: object
) -> Transfer:
    return Transfer(
        more.pop("id", None) or new_id(),
        AccountId(debit),
        AccountId(credit),
        amount_minor,
        kind,
        more.pop("ref", "test"),
        **more,
    )


def permit(
    player: int,
    amount_minor: int,
    purpose: TransferKind = TransferKind.STAKE,
    currency: str = "EUR",
) -> UUID:
    grant = permits.Grant(new_id(), f"player:{player}", purpose, currency, amount_minor)
    permits.issue([grant])
    return grant.id


def stake(player: int, cash: int, into: int, amount_minor: int, **more: object) -> Transfer:
    """A stake with a permit for exactly it; needs an open transaction."""
    allowed = permit(player, amount_minor)
    return move(cash, into, amount_minor, TransferKind.STAKE, permit=allowed, **more)


def post_all(transfers: Sequence[Transfer], key: str = "") -> None:
    with transaction.atomic():
        post(key=key or f"test:{new_id()}", kind="test", actor=TESTER, transfers=transfers)


def try_all(transfers: Sequence[Transfer], key: str = "") -> list[PostCode]:
    results = try_post(
        key=key or f"test:{new_id()}", kind="test", actor=TESTER, transfers=transfers
    )
    assert [r.transfer_id for r in results] == [t.id for t in transfers]
    return [r.code for r in results]


def posted(account: int) -> int:
    return accounts.balance(AccountId(account)).posted_minor


def wait_until_due(at: datetime) -> None:
    """Until the database's clock has passed ``at``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(extract(epoch FROM %s - clock_timestamp()))", [at])
        cursor.execute("SELECT clock_timestamp() >= %s", [at])
        assert cursor.fetchone() == (True,)


def correction(cash: int, amount_minor: int, into: int | None = None, **more):
    return move(cash, into or house(), amount_minor, TransferKind.CORRECTION, **more)


def deposited(player: int, minor: int) -> UUID:
    """A deposit through the provider `test`; its transfer."""
    with transaction.atomic():
        item = move(
            accounts.psp_clearing("test", "EUR"),
            accounts.player_cash(PlayerId(player), "EUR"),
            minor,
            TransferKind.DEPOSIT,
            permit=permit(player, minor, TransferKind.DEPOSIT),
        )
        post(key=f"test:{item.id}", kind="test", actor=TESTER, transfers=[item])
    return item.id


def charged_back(player: int, *, deposit_minor: int, amount_minor: int) -> UUID:
    """A deposit of which a provider took some back, entered by the set-up and approved by the test.

    The id of the chargeback.
    """
    return _borne(player, deposited(player, deposit_minor), amount_minor)


def disputed(player: int, *, deposit_minor: int, taken_minor: int, borne_minor: int) -> UUID:
    """A deposit of which its provider took some back by itself, and what two people then had the
    player bear of that. The id of the chargeback."""
    deposit = deposited(player, deposit_minor)
    with transaction.atomic():
        disputes.book(
            disputes.Word("test", f"dp_{player}", deposit, taken_minor, "EUR", "asked"),
            disputes.Step.TAKEN,
            actor=TESTER,
        )
    return _borne(player, deposit, borne_minor)


def _borne(player: int, deposit: UUID, minor: int) -> UUID:
    wanted = chargebacks.Wanted(
        *("test", f"dp_{player}", deposit, minor, "EUR", "receivable", "A test.")
    )
    made = chargebacks.propose(wanted, actor=Actor.system("set-up"))
    return chargebacks.approve(made.id, actor=TESTER).id


def held(transfer, timeout_ms: int = HOUR_MS) -> Held:
    with transaction.atomic():
        return hold(transfer, timeout_ms=timeout_ms, actor=TESTER)


def held_until_due(transfer) -> None:
    """A hold whose time is over, and that no job has seen yet."""
    wait_until_due(held(transfer, timeout_ms=1).expires_at)


def captured(hold_id, amount_minor=None) -> Captured:
    with transaction.atomic():
        return capture(hold_id, amount_minor, actor=TESTER)


def voided(hold_id) -> Voided:
    with transaction.atomic():
        return void(hold_id, actor=TESTER)


def books() -> dict[str, list[tuple[object, ...]]]:
    """Every row of the ledger and each entry, to show that something left no trace."""
    found = {}
    with connection.cursor() as cursor:
        for table in (*TABLES, "entry"):
            cursor.execute(f"SELECT * FROM ledger_{table} ORDER BY 1, 2, 3")  # noqa: S608  (our own list)
            found[table] = cursor.fetchall()
    return found


def assert_books_clean() -> None:
    report = run_checks()
    assert report.ok, report.violations


def app_connection(database) -> psycopg.Connection:
    """A raw connection as the application's role: an attacker who holds its password."""
    return psycopg.connect(database.app_url, autocommit=True)


def tamper(owner: psycopg.Connection, statement: str) -> None:
    """As the owner, who can switch the triggers off: nothing in the database can stop that."""
    for table in TABLES:
        owner.execute(f"ALTER TABLE ledger_{table} DISABLE TRIGGER USER")
    owner.execute(statement)
    for table in TABLES:
        owner.execute(f"ALTER TABLE ledger_{table} ENABLE TRIGGER USER")

"""What the simulated provider writes at the end of its day, held against what it did."""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from lxml import etree as ET

from payments.simulated_psp.settlement import seconds_left
from payments.simulated_psp.statement_file import NAMESPACE
from tests.simulated_psp import CALM, Psp, running

_keys = (f"key-{n}" for n in count())
FILE_FAULTS = (
    *("file_row_missing", "file_row_unasked", "file_other_amount", "file_other_currency"),
    *("file_row_twice", "file_wrong_fee", "file_wrong_rate", "file_wrong_totals"),
    *("file_sequence_gap", "bank_other_amount", "bank_unknown_line", "bank_sequence_gap"),
    "bank_wrong_opening",
)
pytestmark = pytest.mark.feature("F67")


@dataclass
class Settled:
    """One settlement file, read back."""

    head: list[str]
    rows: list[dict[str, str]]
    totals: dict[str, list[str]]

    def sums(self, column: str = "currency") -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for row in self.rows:
            amounts = (1, cents(row["gross"]), cents(row["fee"]), cents(row["net"]))
            found[row[column]] = [a + b for a, b in zip(found[row[column]], amounts, strict=True)]
        return dict(found)

    def of(self, kind: str) -> list[dict[str, str]]:
        return [row for row in self.rows if row["type"] == kind]


def cents(text: str) -> int:
    whole, fraction = text.removeprefix("-").split(".")
    assert len(fraction) == 2
    return (-1 if text.startswith("-") else 1) * (int(whole) * 100 + int(fraction))


def settled(path: Path) -> Settled:
    lines = list(csv.reader(path.read_text().splitlines()))
    headings = lines[1]
    rows = [line for line in lines[2:] if not line[0].startswith("#")]
    return Settled(
        lines[0],
        [dict(zip(headings, row, strict=True)) for row in rows],
        {line[1]: line[2:] for line in lines if line[0] == "#total"},
    )


@dataclass
class Line:
    minor: int
    reference: str
    entry: str


@dataclass
class Statement:
    sequence: int
    opening: int
    closing: int
    lines: list[Line]


def statements(path: Path) -> dict[str, Statement]:
    def text(parent: ET._Element, at: str) -> str:
        return parent.findtext("/".join(f"{{{NAMESPACE}}}{name}" for name in at.split("/")))

    def amount(parent: ET._Element) -> int:
        sign = {"CRDT": 1, "DBIT": -1}[text(parent, "CdtDbtInd")]
        return sign * cents(text(parent, "Amt"))

    found = {}
    for one in ET.parse(path).iter(f"{{{NAMESPACE}}}Stmt"):
        balances = {
            text(bal, "Tp/CdOrPrtry/Cd"): amount(bal) for bal in one.iter(f"{{{NAMESPACE}}}Bal")
        }
        lines = [
            Line(
                amount(entry),
                text(entry, "NtryDtls/TxDtls/Refs/EndToEndId"),
                text(entry, "AcctSvcrRef"),
            )
            for entry in one.iter(f"{{{NAMESPACE}}}Ntry")
        ]
        found[text(one, "Acct/Ccy")] = Statement(
            int(text(one, "ElctrncSeqNb")), balances["OPBD"], balances["CLBD"], lines
        )
    return found


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    home = tmp_path_factory.mktemp("psp")
    with running(home, "--files-dir", str(home / "files")) as psp:
        yield psp


@pytest.fixture
def psp(process) -> Psp:
    process.switch(**CALM, **dict.fromkeys(FILE_FAULTS, False))
    process.post("/simulate/close")
    return process


def pay(psp: Psp, minor: int = 5_000, currency: str = "EUR", code: str = "visa") -> dict:
    body = {"merchant_reference": str(uuid4()), "amount_minor": minor, "currency": currency}
    made = psp.post("/v1/payments", body | {"return_url": ""}, next(_keys))
    form = {"instrument": code, "action": "pay"}
    assert httpx.post(made["redirect_url"], data=form, trust_env=False).status_code == 200
    return psp.get(f"/v1/payments/{made['id']}")


def close(psp: Psp) -> tuple[dict, Settled, dict[str, Statement]]:
    said = psp.post("/simulate/close")
    folder = psp.home / "files"
    assert not list(folder.glob(".*"))
    return said, settled(folder / said["settlement"]), statements(folder / said["bank"])


def busy_day(psp: Psp) -> list[dict]:
    made = [pay(psp, 5_000 + n) for n in range(9)]
    pay(psp, 10_000, "GBP")
    pay(psp, 5_000, code="visa_funds")
    body = {"amount_minor": 1_000, "currency": "EUR"}
    psp.post(f"/v1/payments/{made[0]['id']}/refunds", body, next(_keys))
    disputed = psp.post("/simulate/disputes", {"payment": made[1]["id"], "amount_minor": 2_000})
    psp.post(f"/simulate/disputes/{disputed['id']}/won")
    psp.post("/simulate/disputes", {"payment": made[2]["id"]})
    return made


def test_two_files_agree_with_each_other_and_with_what_happened(psp):
    made = busy_day(psp)
    said, file, bank = close(psp)
    assert [row["type"] for row in file.rows] == [
        *["payment"] * 10,
        *["refund", "dispute", "dispute_won", "dispute"],
        *["payout", "payout"],
    ]
    assert {row["payment_ref"] for row in file.of("payment")} >= {one["id"] for one in made}
    assert [(row["gross"], row["fee"], row["net"]) for row in file.of("refund")] == [
        ("-10.00", "0.10", "-10.10")
    ]
    assert [(row["gross"], row["fee"]) for row in file.of("dispute")] == [
        ("-20.00", "15.00"),
        ("-50.02", "15.00"),
    ]
    sums = file.sums()
    assert file.totals == {
        currency: [str(n), *(f"{minor / 100:.2f}" for minor in amounts)]
        for currency, (n, *amounts) in sums.items()
    }
    assert (sums["EUR"][3], sums["GBP"][3]) == (0, 0)  # all of it was paid out
    assert [one["minor"] for one in said["payouts"]] == [35_169, 9_840]
    for paid in said["payouts"]:
        rows = [row for row in file.rows if row["payout_id"] == paid["id"]]
        assert sum(cents(row["net"]) for row in rows if row["type"] != "payout") == paid["minor"]
        statement = bank[paid["currency"]]
        assert [(line.minor, line.reference) for line in statement.lines] == [
            (paid["minor"], paid["id"])
        ]
        assert statement.closing - statement.opening == paid["minor"]
    assert psp.get("/v1/balances") == {"balances": {}}


def test_numbers_run_on_and_each_opening_is_the_closing_before(psp):
    pay(psp)
    _, first, bank = close(psp)
    _, empty, still = close(psp)
    pay(psp)
    _, third, later = close(psp)
    numbers = [int(file.head[4]) for file in (first, empty, third)]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert (first.head[3], empty.head[3]) == (empty.head[2], third.head[2])
    assert (empty.rows, empty.totals, still["EUR"].lines) == ([], {}, [])
    chain = [one["EUR"] for one in (bank, still, later)]
    assert [one.sequence for one in chain[1:]] == [chain[0].sequence + 1, chain[0].sequence + 2]
    assert [one.opening for one in chain[1:]] == [one.closing for one in chain[:-1]]


def test_more_out_than_in_is_taken_from_the_bank(psp):
    made = pay(psp)
    close(psp)
    psp.post("/simulate/disputes", {"payment": made["id"]})
    said, file, bank = close(psp)
    assert [(row["gross"], row["net"]) for row in file.rows] == [
        ("-50.00", "-65.00"),
        ("65.00", "65.00"),
    ]
    assert [line.minor for line in bank["EUR"].lines] == [-6_500]
    assert said["payouts"][0]["minor"] == -6_500


def planted(psp: Psp, *names: str) -> tuple[dict[str, dict], Settled, dict[str, Statement]]:
    made = [pay(psp) for _ in range(7)]
    psp.switch(**dict.fromkeys(names, True))
    said, file, bank = close(psp)
    assert [one["fault"] for one in said["planted"]] == list(names)
    assert not any(psp.get("/switches")["switches"][name] for name in names)
    named = [one["payment_ref"] for one in said["planted"] if "payment_ref" in one]
    assert len(set(named)) == len(named)
    if "file_row_unasked" not in names:
        assert set(named) <= {one["id"] for one in made}
    return {one["fault"]: one for one in said["planted"]}, file, bank


def test_each_fault_of_a_row_is_one_and_payout_and_bank_follow_it(psp):
    names = FILE_FAULTS[:6]
    said, file, bank = planted(psp, *names)
    by_ref = defaultdict(list)
    for row in file.of("payment"):
        by_ref[row["payment_ref"]].append((row["currency"], row["gross"], row["fee"]))
    found = {name: by_ref[said[name]["payment_ref"]] for name in names}
    assert found == {
        "file_row_missing": [],
        "file_row_unasked": [("EUR", "12.34", "0.42")],
        "file_other_amount": [("EUR", "51.00", "0.96")],
        "file_other_currency": [("USD", "50.00", "1.00")],
        "file_row_twice": [("EUR", "50.00", "0.95")] * 2,
        "file_wrong_fee": [("EUR", "50.00", "1.45")],
    }
    for currency, statement in bank.items():
        nets = [
            cents(row["net"])
            for row in file.rows
            if row["net_currency"] == currency and row["type"] != "payout"
        ]
        assert [line.minor for line in statement.lines] == ([sum(nets)] if nets else [])
    _, after, _ = close(psp)
    assert after.rows == []  # what was forgotten stays forgotten


def test_a_wrong_rate_exchanges_what_was_not_to_be_exchanged(psp):
    said, file, _ = planted(psp, "file_wrong_rate")
    [row] = [
        row
        for row in file.of("payment")
        if row["payment_ref"] == said["file_wrong_rate"]["payment_ref"]
    ]
    assert (row["gross"], row["net"], row["net_currency"], row["fx_rate"]) == (
        "50.00",
        "50.52",
        "USD",
        "1.0300",
    )


def test_the_bank_may_pay_less_and_know_of_more(psp):
    said, file, bank = planted(psp, "bank_other_amount", "bank_unknown_line")
    paid = -cents(file.of("payout")[0]["net"])
    assert [(line.minor, line.reference) for line in bank["EUR"].lines] == [
        (paid - 300, said["bank_other_amount"]["payout_id"]),
        (7_700, "NOTPROVIDED"),
    ]
    assert bank["EUR"].closing - bank["EUR"].opening == paid - 300 + 7_700


def test_totals_numbers_and_openings_may_be_wrong(psp):
    pay(psp)
    _, before, bank = close(psp)
    pay(psp)
    psp.switch(**dict.fromkeys(FILE_FAULTS[7:9] + FILE_FAULTS[11:], True))
    _, file, spoiled = close(psp)
    assert int(file.head[4]) == int(before.head[4]) + 2
    assert (cents(file.totals["EUR"][3]), file.sums()["EUR"][3]) == (1, 0)
    named = [one for one in spoiled if spoiled[one].sequence == bank[one].sequence + 2]
    off = [one for one in spoiled if spoiled[one].opening == bank[one].closing + 1]
    assert (len(named), len(off)) == (1, 1)


def test_files_that_a_killed_provider_had_kept_appear_when_it_starts_again(tmp_path):
    folder = tmp_path / "files"
    with running(tmp_path, "--files-dir", str(folder)) as psp:
        pay(psp)
        (folder / ".simulated-settlement-000001.csv.part").mkdir()  # it cannot write there
        assert psp.ask("POST", "/simulate/close", {}).status_code == 500
        assert [one.name for one in folder.glob("*.csv")] == []
        psp.kill()
        (folder / ".simulated-settlement-000001.csv.part").rmdir()
        psp.start_again()
        assert settled(folder / "simulated-settlement-000001.csv").of("payment") != []
        assert statements(folder / "house-bank-000001.camt053.xml")["EUR"].closing == 4_905


@pytest.mark.parametrize(
    ("now", "closes"),
    [
        (datetime(2026, 11, 27, 21, tzinfo=UTC), datetime(2026, 11, 28, tzinfo=UTC)),  # Friday
        (datetime(2026, 11, 28, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),  # Saturday
        (datetime(2026, 11, 30, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),  # Monday
    ],
)
def test_a_business_day_ends_at_midnight_after_a_weekday(now, closes):
    assert seconds_left(now) == (closes - now).total_seconds() + 1


def test_a_day_ends_by_itself(tmp_path):
    folder = tmp_path / "files"
    with running(tmp_path, "--files-dir", str(folder), "--settle-every-s", "1") as psp:
        pay(psp)
        deadline = time.monotonic() + 15
        while not (written := sorted(one.name for one in folder.glob("[!.]*"))):
            assert time.monotonic() < deadline
            psp.get("/v1/balances")
        assert len(settled(folder / "simulated-settlement-000001.csv").of("payment")) == 1
        assert psp.get("/v1/balances") == {"balances": {}}
        assert psp.get("/simulate/books")["movements"][-1]["count"] == 1
        assert written[-1] == "simulated-settlement-000001.csv"

"""A reconciliation written by hand over pandas: the same classes from the same sources, no more.

`python reconcile_pandas.py POSTGRES SETTLEMENT STATEMENT OUT`. Reads PostgreSQL and both files
itself, and writes breaks as CSV. It keeps nothing, checks no file, and knows this one format.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from xml.etree import ElementTree as ET  # the benchmark's own file

import pandas as pd
import psycopg

AS_OF = pd.Timestamp("2026-11-20")
LEDGER = """
SELECT e.seq, -e.amount, e.posted_at AT TIME ZONE 'UTC', e.kind, coalesce(d.id, w.id),
    coalesce(d.provider_ref, w.provider_ref)
FROM ledger_entry e
JOIN ledger_account a ON a.id = e.account AND a.kind = 'psp_clearing'
LEFT JOIN payments_deposit d ON d.id = substr(e.ref, 9)::uuid
LEFT JOIN payments_withdrawal w ON w.id = substr(e.ref, 9)::uuid
"""


def read_ledger(url: str) -> pd.DataFrame:
    text = io.BytesIO()
    with psycopg.connect(url) as db:
        db.execute("SET jit = off")
        db.execute("SET work_mem = '128MB'")
        with db.cursor().copy(f"COPY ({LEDGER}) TO STDOUT (FORMAT csv)") as copy:
            for part in copy:
                text.write(part)
    text.seek(0)
    ledger = pd.read_csv(
        text,
        names=["seq", "amount", "at", "kind", "payment", "ref"],
        dtype={"kind": "category", "payment": "string", "ref": "string"},
    )
    ledger["at"] = pd.to_datetime(ledger["at"], format="ISO8601")
    ledger["type"] = ledger["kind"].map(
        {"deposit": "payment", "withdrawal_paid": "payout_to_player"}
    )
    ledger["type"] = ledger["type"].astype("string")
    return ledger.drop(columns="kind")


def read_settlement(path: str) -> pd.DataFrame:
    rows = pd.read_csv(
        path,
        skiprows=1,
        comment="#",
        dtype="string",
        keep_default_na=False,
        usecols=[
            *("type", "payment_ref", "merchant_reference", "payout_id", "currency", "gross"),
            *("fee", "net", "net_currency", "created_utc", "status"),
        ],
    )
    for name in ("gross", "fee", "net"):
        rows[name] = rows[name].str.replace(".", "", regex=False).astype("int64")
    rows["at"] = pd.to_datetime(rows.pop("created_utc"), format="%Y-%m-%dT%H:%M:%SZ")
    rows = rows.rename(
        columns={"payment_ref": "ref", "merchant_reference": "merchant", "payout_id": "payout"}
    )
    rows["n"] = range(len(rows))
    return rows


def read_bank(path: str) -> pd.DataFrame:
    found = []
    for entry in ET.parse(path).getroot().findall(".//{*}Ntry"):  # noqa: S314  (made by the benchmark)
        minor = int((entry.findtext("{*}Amt") or "").replace(".", ""))
        sign = 1 if entry.findtext("{*}CdtDbtInd") == "CRDT" else -1
        said = (entry.findtext(".//{*}Ustrd") or "").removeprefix("PAYOUT ")
        found.append((said, sign * minor))
    return pd.DataFrame(found, columns=["payout", "got"])


def match(ledger: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Pairs of seq and n: by reference, by our number, then by amount where both are alone."""
    keys = ["seq", "type", "ref"]
    first = ledger[keys].merge(
        rows.loc[rows["ref"] != "", ["n", "type", "ref"]], on=["type", "ref"]
    )
    first = first.sort_values("n").drop_duplicates("seq")[["seq", "n"]]
    left = ledger[~ledger["seq"].isin(first["seq"])]
    rest = rows[~rows["n"].isin(first["n"])]
    known = rest.merge(ledger[["type", "ref"]].drop_duplicates(), on=["type", "ref"])["n"]
    second = left[["seq", "type", "payment"]].merge(
        rest.loc[~rest["n"].isin(known), ["n", "type", "merchant"]],
        left_on=["type", "payment"],
        right_on=["type", "merchant"],
    )[["seq", "n"]]
    left = left[~left["seq"].isin(second["seq"])]
    rest = rest[~rest["n"].isin(second["n"]) & (rest["ref"] == "") & (rest["currency"] == "EUR")]
    near = left[["seq", "type", "amount", "at"]].merge(
        rest[["n", "type", "gross", "at"]],
        left_on=["type", "amount"],
        right_on=["type", "gross"],
        suffixes=("", "_there"),
    )
    near = near[(near["at"] - near["at_there"]).abs() <= pd.Timedelta(days=3)]
    alone = ~near["seq"].duplicated(keep=False) & ~near["n"].duplicated(keep=False)
    return pd.concat([first, second, near.loc[alone, ["seq", "n"]]])


def agreed_fee(rows: pd.DataFrame) -> pd.Series:
    agreed = (rows["gross"] * 140 + 5000) // 10000 + 25
    agreed = agreed.mask(rows["currency"] == "USD", (rows["gross"] * 140 + 5000) // 10000 + 30)
    agreed = agreed.mask(rows["type"] == "dispute", 1500)
    agreed = agreed.mask(rows["type"] == "payout_to_player", 20)
    return agreed.mask(rows["type"] == "payout", rows["fee"])


def breaks(ledger: pd.DataFrame, rows: pd.DataFrame, bank: pd.DataFrame) -> pd.DataFrame:
    pairs = match(ledger, rows)
    found = []

    def add(kind: object, ref: pd.Series, difference: object) -> None:
        found.append(pd.DataFrame({"kind": kind, "ref": ref, "difference": difference}))

    left = ledger[~ledger["seq"].isin(pairs["seq"])]
    young = left["at"] >= AS_OF - pd.Timedelta(days=2)
    add(young.map({True: "timing", False: "missing_at_psp"}), left["ref"], -left["amount"])
    rest = rows[~rows["n"].isin(pairs["n"]) & (rows["type"] != "payout")]
    kind = pd.Series("missing_in_ledger", index=rest.index)
    kind = kind.mask(rest["ref"].isin(ledger["ref"]), "duplicate")
    add(kind.mask(rest["type"] == "dispute", "unbooked_chargeback"), rest["ref"], rest["gross"])
    both = pairs.merge(ledger[["seq", "amount"]], on="seq").merge(
        rows[["n", "ref", "gross", "currency", "status"]], on="n"
    )
    other = both[(both["currency"] != "EUR") | (both["gross"] != both["amount"])]
    kind = (other["currency"] != "EUR").map({True: "currency", False: "amount"})
    add(kind, other["ref"], other["gross"] - other["amount"])
    add("status", both.loc[both["status"].isin(["failed", "pending"]), "ref"], 0)
    same = rows[rows["currency"] == rows["net_currency"]]
    agreed = agreed_fee(same)
    off = (same["fee"] - agreed).abs() > 1
    add("fee", same.loc[off, "ref"], (agreed - same["fee"])[off])
    add("fx", rows.loc[rows["currency"] != rows["net_currency"], "ref"], 0)
    sums = rows[rows["type"] != "payout"].groupby("payout", as_index=False)["net"].sum()
    paid = rows.loc[rows["type"] == "payout", ["ref", "payout", "gross"]]
    paid = paid.merge(sums, on="payout", how="left").merge(bank, on="payout", how="left")
    wrong = (paid["net"] != -paid["gross"]) | (
        paid["got"].notna() & (paid["got"] != -paid["gross"])
    )
    add("batch_sum", paid.loc[wrong, "ref"], paid.loc[wrong, "gross"])
    lost = paid["got"].isna()
    add("missing_in_ledger", paid.loc[lost, "ref"], paid.loc[lost, "gross"])
    strange = bank[~bank["payout"].isin(paid["payout"])]
    add("unmatched_bank_line", strange["got"].astype("string"), strange["got"])
    return pd.concat(found).sort_values(["kind", "ref", "difference"])


def main(url: str, settlement: str, statement: str, out: str) -> None:
    made = breaks(read_ledger(url), read_settlement(settlement), read_bank(statement))
    made.to_csv(Path(out), index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])

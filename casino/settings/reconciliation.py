"""Files of providers and banks: where they come in, where they are kept, how large they may be."""

from casino.settings.environment import STATE_DIR, env

#: Where files and what was read from them lie. Private: letters of payers stand in bank files.
RECONCILIATION_DIR: str = env.str("RECONCILIATION_DIR", default=str(STATE_DIR / "reconciliation"))
#: The watched folder; empty: files come by command or upload alone (docs/operations.md).
RECONCILIATION_INBOX: str = env.str("RECONCILIATION_INBOX", default="")
#: A folder with the operator's own mappings, NAME.yaml each, beside those that come with Faro.
RECONCILIATION_MAPPINGS: str = env.str("RECONCILIATION_MAPPINGS", default="")
#: The house's bank accounts, as statements name them: JSON {"DE02…": "main"}. The names are those
#: of the ledger's bank accounts. One that is missing here goes by its number.
RECONCILIATION_ACCOUNTS: dict[str, str] = env.json("RECONCILIATION_ACCOUNTS", default={})
#: Larger files are refused before they are read.
RECONCILIATION_BYTES_MAX: int = env.int("RECONCILIATION_BYTES_MAX", default=1024**3)
RECONCILIATION_ROWS_MAX: int = env.int("RECONCILIATION_ROWS_MAX", default=5_000_000)
#: Whether a bank statement is refused whose number does not follow on the one before. False for a
#: bank that numbers by the day: a gap is then noted, and balances must meet all the same.
RECONCILIATION_GAPS_REFUSED: bool = env.bool("RECONCILIATION_GAPS_REFUSED", default=True)
#: What the columnar engine takes of memory before it uses the disk, and its threads.
RECONCILIATION_MEMORY_MB: int = env.int("RECONCILIATION_MEMORY_MB", default=512)
RECONCILIATION_THREADS: int = env.int("RECONCILIATION_THREADS", default=2)

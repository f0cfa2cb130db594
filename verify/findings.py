"""What the verifier says: findings with a place and a code, and the report made of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """What can be wrong with an export."""

    UNREADABLE = "unreadable"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    NOT_CANONICAL = "not_canonical"
    BROKEN_CHAIN = "broken_chain"
    ROW_CHANGED = "row_changed"
    ROW_MISSING = "row_missing"
    LEAF_CHANGED = "leaf_changed"
    ROOT_DIFFERS = "root_differs"
    EXTRA_ROWS = "extra_rows"
    COUNTS_DIFFER = "counts_differ"
    BACKDATED = "backdated"
    ANCHOR_DIFFERS = "anchor_differs"
    BOOKS_WRONG = "books_wrong"
    # of two lists of seals
    FORKED = "forked"
    SEAL_MISSING = "seal_missing"
    SOURCE_MISSING = "source_missing"
    # of packs
    FILE_CHANGED = "file_changed"
    FILE_MISSING = "file_missing"
    FILE_EXTRA = "file_extra"
    FILE_TWICE = "file_twice"
    TABLE_DIFFERS = "table_differs"
    ROW_TWICE = "row_twice"
    ROW_NOT_SHOWN = "row_not_shown"
    PROOF_MISPLACED = "proof_misplaced"
    PROOF_TWICE = "proof_twice"
    # of daily statements
    DOES_NOT_FOLLOW = "does_not_follow"
    # of rounds
    ROUND_MISSING = "round_missing"
    VERSION_MISSING = "version_missing"
    RULES_UNKNOWN = "rules_unknown"
    RESULT_WRONG = "result_wrong"
    BET_CHANGED = "bet_changed"
    BET_OUT_OF_TIME = "bet_out_of_time"
    BET_WITHOUT_STAKE = "bet_without_stake"
    BET_WITHOUT_OUTCOME = "bet_without_outcome"
    STAKE_WITHOUT_BET = "stake_without_bet"
    OUTCOME_DIFFERS = "outcome_differs"
    PAYOUT_DIFFERS = "payout_differs"
    PAYOUT_TWICE = "payout_twice"
    PAYBACK_DIFFERS = "payback_differs"
    UNKNOWN_BET_PAID = "unknown_bet_paid"
    ESCROW_NOT_EMPTY = "escrow_not_empty"
    # of observations and of results
    DEVICE_UNKNOWN = "device_unknown"
    DEVICE_DIFFERS = "device_differs"
    DEVICE_KEY_FOREIGN = "device_key_foreign"
    OBSERVATION_FORGED = "observation_forged"
    OBSERVATION_REPEATED = "observation_repeated"
    OBSERVATION_MISSING = "observation_missing"
    RESULT_NOT_SIGNED = "result_not_signed"
    RESULT_OUT_OF_TIME = "result_out_of_time"
    ENTERED_BY_ONE = "entered_by_one"
    CORRECTED_BY_ONE = "corrected_by_one"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where: the row or the seal, counted from 1."""

    source: str
    code: Code
    detail: str
    row: int | None = None
    seal: int | None = None

    def __str__(self) -> str:
        place = f" row {self.row}" if self.row is not None else ""
        place += f" seal {self.seal}" if self.seal is not None else ""
        return f"{self.source}:{place} {self.code}: {self.detail}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "code": str(self.code),
            "row": self.row,
            "seal": self.seal,
            "detail": self.detail,
        }


class Unusable(Exception):
    """The export or the key cannot even be looked at: a missing file, a key that is no key."""


class Spoiled(Exception):
    """Carries the finding after which reading on makes no sense."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding

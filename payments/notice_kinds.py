"""What the cashier tells players, and finance, beside its pages."""

from notices.kinds import register

DEPOSIT_CHARGED_BACK = register("deposit_charged_back")
CHARGEBACK_RETURNED = register("chargeback_returned")
DEBT_COLLECTED = register("debt_collected")
DEBT_WRITTEN_OFF = register("debt_written_off")

DEPOSIT_ARRIVED = register("deposit_arrived")
DEPOSIT_GOES_BACK = register("deposit_goes_back")
DEPOSIT_WENT_BACK = register("deposit_went_back")
DEPOSIT_FREED = register("deposit_freed")
DEPOSIT_NOT_MADE = register("deposit_not_made")
DEPOSIT_DISPUTED = register("deposit_disputed")
DEPOSIT_DISPUTE_OVER = register("deposit_dispute_over")
DEPOSIT_NEEDS_YOU = register("deposit_needs_you")
WITHDRAWAL_PAID = register("withdrawal_paid")
WITHDRAWAL_NOT_PAID = register("withdrawal_not_paid")
PAYMENT_LATE = register("payment_late")
PAYOUT_ACCOUNT_NEWS = register("payout_account_news")

#: To staff: a provider's dispute, and what became of it.
DISPUTE_OPENED = register("dispute_opened")
DISPUTE_ENDED = register("dispute_ended")
DISPUTE_LATE = register("dispute_late")
DISPUTE_CONTRADICTED = register("dispute_contradicted")
#: To staff: what a provider says of a payment does not fit our record.
PAYMENT_CONTRADICTED = register("payment_contradicted")
#: To staff: nobody has decided about a deposit under review.
DEPOSIT_REVIEW_WAITS = register("deposit_review_waits")
#: To finance: a run came to nothing.
RECONCILIATION_FAILED = register("reconciliation_failed")

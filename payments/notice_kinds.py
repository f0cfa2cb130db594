"""What the cashier tells players beside its pages."""

from notices.kinds import register

DEPOSIT_CHARGED_BACK = register("deposit_charged_back")
CHARGEBACK_RETURNED = register("chargeback_returned")
DEBT_COLLECTED = register("debt_collected")
DEBT_WRITTEN_OFF = register("debt_written_off")

"""What the cashier tells players beside its pages."""

from notices.kinds import register

DEPOSIT_CHARGED_BACK = register("deposit_charged_back")
CHARGEBACK_RETURNED = register("chargeback_returned")

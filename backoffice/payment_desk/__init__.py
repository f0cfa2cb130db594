"""Money that people decide about: withdrawals, reviews, disputes, chargebacks, adjustments."""

"""The cashier: deposits, withdrawals, providers."""

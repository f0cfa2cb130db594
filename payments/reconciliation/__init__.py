"""Reconciliation: ledger, provider and bank held against each other, each difference by name."""

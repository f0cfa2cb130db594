"""Money that leaves: withdrawals by parts, where they may go, and who says yes."""

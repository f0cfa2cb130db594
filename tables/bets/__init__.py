"""Asking for bets and taking them: slips, the intake that batches, undo, rebet."""

"""What rules look at, read set-based where all apps may be read: one statement per rule and run.

A detector gets a rule's parameters and an instant, and finds what could be known at that instant
(so that a backtest sees what a run would have seen). It reads and writes nothing.
"""

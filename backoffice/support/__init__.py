"""The support desk: callers, cases, what may be done for whom."""

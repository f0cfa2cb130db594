"""Suspicions: rules against money laundering and fraud, cases decided by two officers, reports.

Neither the player nor anybody outside the officers learns that there is one (tipping-off).
"""

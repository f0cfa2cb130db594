"""Watching what players do: rules as data, alerts with evidence, cases of officers.

`rulebook` and `states` are pure; `versions` says which rule is in force and how it came to be;
`alerts` keeps what rules found; `casework` moves the cases. `compliance.aml` and `compliance.harm`
are the two families that stand on it. What rules look at (payments, bets) is read where all apps
may be read, in `backoffice.detectors`: compliance stands below them and keeps what was found.
"""

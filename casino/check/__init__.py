"""One player's first round, over HTTP only: what `bin/up --check` proves.

Knows pages by their addresses and forms by their fields, as a browser does. It imports no part of
the platform but the rules, whose payout it compares with what the account received.
"""

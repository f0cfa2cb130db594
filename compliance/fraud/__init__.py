"""Rules of payments: decided at the moment somebody pays in or asks to be paid out.

Only the rules' words are here; they are versions of `compliance.watching` like any other. What they
look at are payments, so `payments.fraud` decides.
"""

"""A payment provider that is not one: its own process, with faults that can be switched on.

Knows no Django and nothing of the platform but the signature both sides share. Money here is play
money; people "pay" by pressing a button on its page, so no card number exists anywhere.
"""

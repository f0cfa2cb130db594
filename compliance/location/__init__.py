"""Where a player is, as far as their network address says, and whether play is allowed there.

An adapter (`protocol.Locator`) answers country and part of it, or nothing; without a database it
answers nothing and nothing is claimed. What an unknown place means is the policy's word.
"""

"""The page "Play safely": what holds for a player, what they did, and whom to call.

It reads and shows; the forms' acts are `compliance.views` and `compliance.limit_views`.
"""

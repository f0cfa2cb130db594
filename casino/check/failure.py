"""How a step of the check fails."""


class StepFailed(Exception):
    """What a player would have seen instead of what should be; one line."""

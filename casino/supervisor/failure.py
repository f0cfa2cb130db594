"""The one way in which starting fails."""


class CannotStart(Exception):
    """Something on this machine stands in the way; the message is one clear line for a person."""

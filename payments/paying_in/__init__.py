"""Money that comes in: deposits, what pays them, and what goes back to where it came from."""

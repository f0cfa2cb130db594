"""The append-only record of what happened, who did it, and the seals over it."""

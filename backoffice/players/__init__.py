"""One player: what staff see of them, and what they see and ask about themselves."""

"""A small program for outsiders: checks exports and seals with the public key alone."""

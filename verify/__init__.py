"""A small program for outsiders: checks exports and seals with the public key alone.

No Django, no database, nothing of the platform: the standard library and `cryptography`. It
computes everything again by itself; the only thing it takes on trust is the public key (and,
better, copies of seals kept elsewhere).
"""

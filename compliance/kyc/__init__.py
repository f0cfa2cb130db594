"""Who is this player? Documents in, checks, a person's decision, and a standing that follows.

Subjects (age, identity, address, source of funds) move separately through one table of states.
What parses a stranger's file runs in a bounded process of its own; what is kept is encrypted; what
an officer sees is a picture that we made. The gate reads the standing and nothing of this.
"""

"""The shared words of the house: money, clock, ids, refusal, invariant.

Pure: standard library only. Everything may import this package; it imports nothing of ours.
"""

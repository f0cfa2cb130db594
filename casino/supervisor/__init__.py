"""Runs the whole of Faro on one machine: what `bin/up` starts.

Owns the order of starting and stopping, restarts, and the files of one state directory. It never
imports Django: everything it starts is a process with its own environment.
"""

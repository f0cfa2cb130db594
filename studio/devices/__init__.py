"""Drivers: bytes from a device in, typed events out."""

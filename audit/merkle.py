"""Merkle."""

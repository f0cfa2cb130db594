"""Markers of harm: rules, a case for an officer, a message to the player, and what came of it."""

"""The floor for pit bosses: every table as it is now, and the switches."""

"""May this person do this? The gate, limits, exclusions, the sign-in decision."""

"""The live game: rules, phases, evidence, rounds, betting, settlement."""

"""The player's pages of the game."""

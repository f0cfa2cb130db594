"""What happened in a round, with its evidence, and the pages of inspectors."""

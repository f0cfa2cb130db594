"""A wrong result corrected by two people, and its money."""

"""`bin/screenshots DIR`: every page of the player's site as a picture, for people to look at."""

"""What people do after a table has stopped: procedures as data, acts by two people."""

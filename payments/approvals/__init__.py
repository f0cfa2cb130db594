"""Who has to agree before a withdrawal is paid, and who did."""

"""Double entry. The only place where a balance changes."""

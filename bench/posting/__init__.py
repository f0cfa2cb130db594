"""What `bin/bench ledger` and `bin/bench crash` post, and how they count the server's time."""

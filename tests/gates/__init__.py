"""What `bin/test` runs: every gate, one after another, and a short table of them."""

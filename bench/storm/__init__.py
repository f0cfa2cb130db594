"""What `bin/bench chaos` is made of: processes that die, people who pay, and books compared."""

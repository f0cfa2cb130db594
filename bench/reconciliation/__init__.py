"""What `bin/bench reconcile` puts into books and files, and what must be found of it."""

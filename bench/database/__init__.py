"""A database for benchmarks that write: on the disk, as a house has it."""

"""What providers tell us: kept once, applied once, and asked for where it never came."""

"""The round in play: what is seen, what it proves, how a round moves, stops and is paid."""

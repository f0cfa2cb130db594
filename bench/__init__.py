"""One file per `bin/bench NAME`; each prints one line of JSON last."""

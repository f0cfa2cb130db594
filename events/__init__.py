"""How news leaves: gap-free streams, the outbox, the relay, orders that go up."""

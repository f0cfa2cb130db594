"""The simulated outside world. The platform never imports it."""

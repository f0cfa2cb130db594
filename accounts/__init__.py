"""Who: players and staff, sign-up, second factor, sessions, devices."""

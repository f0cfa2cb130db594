"""The presenter's console: acts that become signed observations."""

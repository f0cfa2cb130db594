"""The outside world: devices, their protocols, the controller. No Django, no players, no money."""

"""The simulated camera: a simulated table as video. Nothing else of the studio needs numpy."""

"""Driver for wheels that speak the Slingshot 2 serial protocol.

Bytes to lines (``studio.devices.lines``), lines to frames (``frames``), frames to typed events
(``events``), events to findings (``rules``), all pure; ``driver`` joins them.
"""

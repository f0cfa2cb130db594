"""Other ways to move money, driven by their own means: measured beside ours, used nowhere."""

"""Who may present, and who presents now."""

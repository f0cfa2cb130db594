"""How people are told: templates, consent, channels, the delivery log."""

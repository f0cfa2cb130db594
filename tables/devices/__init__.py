"""The register of devices: keys, health, pages."""

"""Playlists, the part window, the packager and the origin. Knows nothing of players or money."""

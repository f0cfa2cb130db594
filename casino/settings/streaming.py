"""The picture: where players fetch it, where its files lie, how long they stay."""

from pathlib import Path

from casino.settings.environment import STATE_DIR, env

#: Public base address of the stream origin, such as https://live.example.com. Empty: no picture.
STREAM_URL: str = env.str("STREAM_URL", default="").rstrip("/")
#: The stream process's `state_dir`, as the worker sees it.
STREAM_DIR = Path(env.str("STREAM_DIR", default=str(STATE_DIR / "stream")))
#: Live segments stay on disk this long, for the archive to take what it needs.
STREAM_KEEP_MINUTES: int = env.int("STREAM_KEEP_MINUTES", default=10)
#: Each finished round's clip and its manifest.
STREAM_ARCHIVE_DIR = Path(env.str("STREAM_ARCHIVE_DIR", default=str(STATE_DIR / "archive")))
#: A clip without a hold is removed after so many days (the regulator's retention rule decides).
STREAM_ARCHIVE_DAYS: int = env.int("STREAM_ARCHIVE_DAYS", default=90)

"""Who may read `/metrics`."""

from pathlib import Path

from casino.settings.environment import env

_file: str = env.str("FARO_METRICS_TOKEN_FILE", default="")

#: The scraper's bearer token, from the environment or a file. Without one, `/metrics` is not there.
FARO_METRICS_TOKEN: str = (
    Path(_file).read_text().strip() if _file else env.str("FARO_METRICS_TOKEN", default="")
)

"""Static files: straight from the tree in demo and tests, hashed names and a year in production."""

from typing import Any

from casino.settings.environment import BASE_DIR, FARO_MODE, STATE_DIR

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = STATE_DIR / "static"

_hashed = FARO_MODE == "production"

WHITENOISE_USE_FINDERS = not _hashed
WHITENOISE_AUTOREFRESH = not _hashed
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "casino.static_storage.HashedFiles"
        if _hashed
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
#: Files are for our own pages; fonts and scripts load from this origin.
WHITENOISE_ALLOW_ALL_ORIGINS = False
MEDIA_ROOT = STATE_DIR / "media"

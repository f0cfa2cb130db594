"""The admin's name and colours."""

from casino.settings.environment import BASE_DIR

UNFOLD = {"SITE_TITLE": "Faro", "SITE_HEADER": "Faro"}
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]

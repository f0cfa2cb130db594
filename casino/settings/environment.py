"""Where we are and what we are for."""

from pathlib import Path

import environ

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent.parent

FARO_MODE: str = env.str("FARO_MODE", default="production")
if FARO_MODE not in {"production", "demo", "test"}:
    raise environ.ImproperlyConfigured(f"FARO_MODE is {FARO_MODE!r}: production, demo or test")

#: State of an embedded run: logs, mailbox, media. Real deployments point it to a data volume.
STATE_DIR = Path(env.str("FARO_STATE_DIR", default=str(BASE_DIR / "var")))

DEBUG = False
SECRET_KEY: str = env.str("SECRET_KEY")
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

"""Structured logs: one JSON object per line on stderr, with request id and user id, never e-mail.

Libraries that use plain ``logging`` come out in the same shape. A unit of work adds its own words
with ``structlog.contextvars.bind_contextvars(round=…, table=…)``.
"""

import logging

import structlog
from structlog.typing import Processor

from casino.log_lines import cut_query, drop_routine, hide_card_numbers, hide_secrets
from casino.settings.environment import env

FARO_LOG_LEVEL: str = env.str("FARO_LOG_LEVEL", default="INFO")

_shared: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    structlog.stdlib.PositionalArgumentsFormatter(),
    cut_query,
    hide_secrets,
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    hide_card_numbers,
]

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_shared,
        drop_routine,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _shared,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": FARO_LOG_LEVEL},
    "loggers": {
        # It logs every address it asks, and that of a witness or a provider may hold a secret.
        "httpx": {"handlers": [], "level": "WARNING", "propagate": True},
        # Stripe's library says each address and error message; our own lines say what became of it.
        "stripe": {"handlers": [], "level": "ERROR", "propagate": True},
        # django_structlog says each request once, with its id; Django's own line repeats it.
        "django": {"handlers": [], "level": FARO_LOG_LEVEL, "propagate": True},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.request": {"handlers": [], "level": "ERROR", "propagate": True},
        "daphne": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}

#: Addresses are personal data and belong into the audit trail, encrypted, not into log files.
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_CELERY_ENABLED = True
#: One line per request, at its end.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG

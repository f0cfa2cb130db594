"""The Celery application of the `worker` and `beat` roles.

PostgreSQL state is the queue; a message is a hint to look there soon. So tasks take ids, reload,
and are idempotent, and losing the broker loses nothing: the sweeps of the schedule find the rest.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "casino.settings")

app = Celery("casino")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Connecting at all keeps Celery from replacing the JSON logs of the settings."""


@worker_ready.connect
def check_this_host(**_: Any) -> None:
    """A worker's host is checked like that of a web process."""
    from casino import own_check

    own_check.start()

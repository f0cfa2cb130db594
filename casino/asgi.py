"""The ASGI entry point of the `web` role: pages and WebSockets."""

import os
from importlib import import_module

from channels.routing import ProtocolTypeRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "casino.settings")

pages = get_asgi_application()

from casino import long_lived, own_check  # noqa: E402  (reads models, so after the set-up)
from casino.bounded_bodies import bounded  # noqa: E402  (as above)
from casino.daphne_stop import close_sockets_first  # noqa: E402  (as above)
from casino.sockets import sockets  # noqa: E402  (consumers import models, so after the set-up)
from casino.webhook_door import WebhookDoor  # noqa: E402  (as above)

close_sockets_first()
own_check.start()
# The first request would load these, after what is kept was counted.
import_module(settings.ROOT_URLCONF)
long_lived.keep_what_is_loaded()

application = ProtocolTypeRouter(
    {
        "http": WebhookDoor(bounded(pages)),
        # A browser sends cookies to a socket of ours from any site: only our own pages may connect.
        "websocket": AllowedHostsOriginValidator(sockets),
    }
)

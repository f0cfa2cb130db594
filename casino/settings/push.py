"""Channels: WebSockets and the low-volume layer."""

from casino.settings.cache import REDIS_URL

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # redis-py 8 defaults break the layer: a 5 s socket timeout equals its blocking pop, and a
        # pool of 100 fails connection storms (channels_redis #422).
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_timeout": None, "max_connections": 6000}]
        },
    }
}

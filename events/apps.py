from django.apps import AppConfig


class EventsConfig(AppConfig):
    """How news leaves: gap-free streams, the outbox, the relay, orders that go up."""

    name = "events"
    default_auto_field = "django.db.models.BigAutoField"

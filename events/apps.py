from django.apps import AppConfig


class EventsConfig(AppConfig):
    """How news leaves: gap-free streams, the outbox, the relay, orders that go up."""

    name = "events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make what tables tell everybody known to those who seal."""
        from events import sealed_sources  # noqa: F401  (it registers)

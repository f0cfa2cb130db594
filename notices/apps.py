from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """How people are told: templates, consent, channels, the delivery log."""

    name = "notices"
    default_auto_field = "django.db.models.BigAutoField"

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The append-only record of what happened, who did it, and the seals over it."""

    name = "audit"
    default_auto_field = "django.db.models.BigAutoField"

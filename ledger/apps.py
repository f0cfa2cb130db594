from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Double entry. The only place where a balance changes."""

    name = "ledger"
    default_auto_field = "django.db.models.BigAutoField"

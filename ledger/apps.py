from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Double entry. The only place where a balance changes."""

    name = "ledger"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the books known to those who seal."""
        from ledger import sealed_sources  # noqa: F401  (it registers)

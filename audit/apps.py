from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The append-only record of what happened, who did it, and the seals over it."""

    name = "audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the record's own kinds and its source of seals known, and the partition check.

        A witness at no safe address stops every process before it begins.
        """
        from audit import partitions, personal, sealed_sources, witness  # noqa: F401  (they register)

        witness.configured()

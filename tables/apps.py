from django.apps import AppConfig


class TablesConfig(AppConfig):
    """The live game: rules, phases, evidence, rounds, betting, settlement."""

    name = "tables"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the lag of public streams known, and the game to those who seal."""
        from tables import reveal, sealed_sources  # noqa: F401  (the second registers)

        reveal.lag_public_streams()

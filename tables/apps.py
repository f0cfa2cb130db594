from django.apps import AppConfig


class TablesConfig(AppConfig):
    """The live game: rules, phases, evidence, rounds, betting, settlement."""

    name = "tables"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the lag of public streams known, and the game to those who seal and who limit."""
        from tables import reveal, sealed_sources  # noqa: F401  (the second registers)
        from tables.bets import at_stake  # noqa: F401  (registers)

        reveal.lag_public_streams()

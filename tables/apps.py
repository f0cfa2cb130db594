from django.apps import AppConfig


class TablesConfig(AppConfig):
    """The live game: rules, phases, evidence, rounds, betting, settlement."""

    name = "tables"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tables import reveal

        reveal.lag_public_streams()

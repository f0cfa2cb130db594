from django.apps import AppConfig


class CasinoConfig(AppConfig):
    """Composition: settings, urls, processes, health."""

    name = "casino"

    def ready(self) -> None:
        # Tasks find their broker through the Celery application, in every process.
        from casino import celery, checks

        del celery, checks  # imported for what importing registers

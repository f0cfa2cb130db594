from django.apps import AppConfig


class CasinoConfig(AppConfig):
    """Composition: settings, urls, processes, health."""

    name = "casino"

    def ready(self) -> None:
        # Tasks find their broker through the Celery application, in every process.
        from backoffice.packs import software
        from casino import (
            celery,
            checks,
            document_checks,
            file_checks,
            jurisdiction_checks,
            long_lived,
            self_check,
        )

        del (
            celery,
            checks,
            document_checks,
            file_checks,
            jurisdiction_checks,
        )  # imported for what importing registers
        software.told_by(self_check.last_measure)
        long_lived.keep_what_is_loaded()

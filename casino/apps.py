from django.apps import AppConfig


class CasinoConfig(AppConfig):
    """Composition: settings, urls, processes, health."""

    name = "casino"

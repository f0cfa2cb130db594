from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    """Pages, reports and checks that join the apps."""

    name = "backoffice"
    default_auto_field = "django.db.models.BigAutoField"

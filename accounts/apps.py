from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who: players and staff, sign-up, second factor, sessions, devices."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who: players and staff, sign-up, second factor, sessions, devices."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # registered at start, so that a worker which never signs anybody in knows the kinds
        from accounts import appointments, notice_kinds, significant_events  # noqa: F401

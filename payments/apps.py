from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """The cashier: deposits, withdrawals, providers."""

    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from payments import notice_kinds  # noqa: F401  (registers them)

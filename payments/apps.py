from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """The cashier: deposits, withdrawals, providers."""

    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

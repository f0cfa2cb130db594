from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """The cashier: deposits, withdrawals, providers."""

    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from compliance.play_safely import activity
        from payments import notice_kinds, selectors  # noqa: F401  (registers its kinds)
        from payments.files import telling
        from payments.reconciliation import work

        activity.ask_what_went_back(selectors.went_back_minor)
        telling.when_imported(work.after_import)

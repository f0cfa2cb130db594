from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    """May this person do this? The gate, limits, exclusions, the sign-in decision."""

    name = "compliance"
    default_auto_field = "django.db.models.BigAutoField"

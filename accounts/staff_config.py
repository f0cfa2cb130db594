"""Makes :class:`accounts.staff_site.StaffSite` the site that every app's admin registers with."""

from django.contrib.admin.apps import SimpleAdminConfig


class StaffAdminConfig(SimpleAdminConfig):
    """Stands in INSTALLED_APPS where ``django.contrib.admin`` would."""

    default = False
    default_site = "accounts.staff_site.StaffSite"

    def ready(self) -> None:
        super().ready()
        self.module.autodiscover()  # type: ignore[union-attr]  # django.contrib.admin has it

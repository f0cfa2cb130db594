"""Makes :class:`accounts.staff_site.StaffSite` the site that every app's admin registers with."""

from typing import Final

from django.contrib.admin import site
from django.contrib.admin.apps import SimpleAdminConfig

#: The packages whose models have pages in the admin.
HOUSE: Final = frozenset(
    {"accounts", "audit", "ledger", "compliance", "payments", "tables", "backoffice"}
)


class StaffAdminConfig(SimpleAdminConfig):
    """Stands in INSTALLED_APPS where ``django.contrib.admin`` would."""

    default = False
    default_site = "accounts.staff_site.StaffSite"

    def ready(self) -> None:
        super().ready()
        self.module.autodiscover()  # type: ignore[union-attr]  # django.contrib.admin has it
        # Packages offer pages of their own: keys of second factors, sessions, jobs, rights by hand.
        # None of them audits or asks a second person, so the house shows its own models only.
        for model in list(site._registry):
            if model.__module__.partition(".")[0] not in HOUSE:
                site.unregister(model)

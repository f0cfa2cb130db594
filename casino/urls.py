"""Every address of the platform, by app."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("tables.urls")),
    path("", include("accounts.urls")),
    path("", include("compliance.urls")),
    path("", include("payments.urls")),
    path("", include("notices.urls")),
    path("", include("ledger.urls")),
    path("", include("events.urls")),
    path("", include("audit.urls")),
    path("", include("backoffice.urls")),
    path("account/", include("allauth.urls")),
    path("language/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
]

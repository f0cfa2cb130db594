"""Every address of the platform, by app."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from backoffice.api.pages import ApiDocs
from casino.health import healthz, readyz
from casino.metrics import metrics

handler400 = "casino.error_pages.bad_request"
handler403 = "casino.error_pages.forbidden"
handler404 = "casino.error_pages.not_found"
handler500 = "casino.error_pages.internal_error"

#: What both doors have; `casino.staff_urls` puts the staff's account pages before it.
apps: list[URLPattern | URLResolver] = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("", include("tables.urls")),
    path("", include("compliance.urls")),
    path("", include("payments.urls")),
    path("", include("notices.urls")),
    path("", include("ledger.urls")),
    path("", include("events.urls")),
    path("", include("audit.urls")),
    path("", include("backoffice.urls")),
    path("language/", include("django.conf.urls.i18n")),
    path("api/schema/", SpectacularAPIView.as_view(), name="api_schema"),
    path("api/docs/", ApiDocs.as_view(), name="api_docs"),
    path("floor/", include("tables.floor.urls")),
    path("", include("tables.console.urls")),
    path("support/", include("backoffice.support.urls")),
    path("staff/tokens/", include("backoffice.api.token_urls")),
    path("staff/self-check/", include("casino.self_check_urls")),
    path("admin/", include("backoffice.desk_urls")),
    path("admin/", admin.site.urls),
]

urlpatterns: list[URLPattern | URLResolver] = [
    *apps,
    path("", include("accounts.urls")),
    path("account/", include("allauth.urls")),
]

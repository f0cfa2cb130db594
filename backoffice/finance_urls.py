"""Addresses of finance's desk."""

from django.urls import URLPattern, URLResolver, path

from backoffice.finance import report_pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("finance/reports/", report_pages.overview, name="reports"),
    path("finance/reports/<slug:name>/", report_pages.report, name="report"),
    path("finance/reports/<slug:name>/file.csv", report_pages.file, name="report_file"),
]

"""Addresses of the self-check's page."""

from django.urls import URLPattern, URLResolver, path

from casino import self_check_pages as pages

app_name = "self_check"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.page, name="page"),
    path("faro.sha256", pages.checksums, name="checksums"),
    path("now/", pages.check_now, name="check_now"),
    path("propose/", pages.propose, name="propose"),
    path("<uuid:baseline_id>/approve/", pages.approve, name="approve"),
]

"""Addresses of `backoffice`."""

from django.urls import URLPattern, URLResolver, path

from backoffice import api

app_name = "backoffice"
urlpatterns: list[URLPattern | URLResolver] = [
    path("api/reports/ggr", api.Ggr.as_view(), name="api_ggr"),
    path("api/reports/funds-in-play", api.FundsInPlay.as_view(), name="api_funds_in_play"),
]

"""Addresses of the page for API tokens."""

from django.urls import URLPattern, URLResolver, path

from backoffice.api import token_pages

app_name = "tokens"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", token_pages.tokens, name="all"),
    path("<uuid:token_id>/revoke/", token_pages.revoke, name="revoke"),
]

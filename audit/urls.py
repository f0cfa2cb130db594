"""Addresses of `audit`: the seals, for everybody."""

from django.urls import URLPattern, URLResolver, path

from audit import pages

app_name = "audit"
urlpatterns: list[URLPattern | URLResolver] = [
    path("seals/", pages.page, name="seals"),
    path("seals/heads.json", pages.heads, name="seal_heads"),
    path("seals/keys.pem", pages.keys, name="seal_keys"),
    path("seals/<slug:source>.jsonl", pages.lines, name="seal_lines"),
]

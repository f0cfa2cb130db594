"""Addresses of `compliance`."""

from django.urls import URLPattern, URLResolver, include, path

from compliance import closing_views, views

app_name = "compliance"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("compliance.kyc.urls")),
    path("play-safely/", views.play_safely, name="play_safely"),
    path("play-safely/limits/<slug:kind>/", views.set_limit, name="set_limit"),
    path(
        "play-safely/limits/<slug:kind>/<slug:period>/<slug:act>/",
        views.settle_increase,
        name="settle_increase",
    ),
    path("play-safely/break/", views.take_break, name="take_break"),
    path("play-safely/exclude/", views.exclude, name="exclude"),
    path("play-safely/close/", closing_views.close, name="close"),
    path("play-safely/come-back/", views.come_back, name="come_back"),
]

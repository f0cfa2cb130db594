"""Addresses of `compliance`."""

from django.urls import URLPattern, URLResolver, include, path

from compliance import closing_views, limit_views, register_views, views

app_name = "compliance"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("compliance.kyc.urls")),
    path("play-safely/", views.play_safely, name="play_safely"),
    path("play-safely/limits/<slug:kind>/", limit_views.set_limit, name="set_limit"),
    path(
        "play-safely/limits/<slug:kind>/<slug:period>/<slug:act>/",
        limit_views.settle_increase,
        name="settle_increase",
    ),
    path("play-safely/question/", limit_views.answer_question, name="answer_question"),
    path("play-safely/checks/", limit_views.choose_interval, name="choose_interval"),
    path("play-safely/break/", views.take_break, name="take_break"),
    path("play-safely/exclude/", views.exclude, name="exclude"),
    path("play-safely/register/", register_views.register_facts, name="register_facts"),
    path("play-safely/close/", closing_views.close, name="close"),
    path("play-safely/come-back/", views.come_back, name="come_back"),
]

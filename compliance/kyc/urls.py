"""Addresses of verification, included by `compliance.urls`."""

from django.urls import URLPattern, URLResolver, path

from compliance.kyc import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("account/verification/", views.overview, name="kyc"),
    path("account/verification/<slug:subject>/", views.send, name="kyc_send"),
    path("documents/<str:token>", views.document, name="kyc_document"),
]

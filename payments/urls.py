"""Addresses of `payments`."""

from django.urls import URLPattern, URLResolver, path

from payments import webhooks

app_name = "payments"
urlpatterns: list[URLPattern | URLResolver] = [
    path("payments/webhooks/<slug:provider>/", webhooks.webhook, name="webhook"),
]

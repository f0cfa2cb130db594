"""Addresses of the pages about disputes and late payments."""

from django.urls import URLPattern, path

from backoffice.payment_desk import dispute_pages

urlpatterns: list[URLPattern] = [
    path("disputes/", dispute_pages.overview, name="disputes"),
    path("disputes/<uuid:dispute_id>/", dispute_pages.dispute, name="dispute"),
    path("disputes/<uuid:dispute_id>/take/", dispute_pages.take, name="dispute_take"),
    path("disputes/<uuid:dispute_id>/ask/", dispute_pages.ask, name="dispute_ask"),
    path("disputes/<uuid:dispute_id>/close/", dispute_pages.close, name="dispute_close"),
    path("disputes/<uuid:dispute_id>/free/", dispute_pages.free, name="dispute_free"),
    path("late-payments/", dispute_pages.late, name="late_payments"),
    path(
        "late-payments/deposits/<uuid:payment_id>/ask/",
        dispute_pages.look_again,
        {"direction": "deposit"},
        name="late_deposit_ask",
    ),
    path(
        "late-payments/withdrawals/<uuid:payment_id>/ask/",
        dispute_pages.look_again,
        {"direction": "withdrawal"},
        name="late_withdrawal_ask",
    ),
]

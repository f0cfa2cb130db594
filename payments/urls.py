"""Addresses of `payments`."""

from django.urls import URLPattern, URLResolver, path

from payments import api, views, webhooks

app_name = "payments"
urlpatterns: list[URLPattern | URLResolver] = [
    path("cashier/", views.cashier, name="cashier"),
    path("cashier/deposits/", views.deposit_new, name="deposit_new"),
    path("cashier/deposits/<uuid:deposit_id>/", views.deposit, name="deposit"),
    path("cashier/withdrawals/", views.withdrawal_new, name="withdrawal_new"),
    path("cashier/withdrawals/<uuid:withdrawal_id>/", views.withdrawal, name="withdrawal"),
    path("payments/webhooks/<slug:provider>/", webhooks.webhook, name="webhook"),
    path("api/account/balance", api.Balance.as_view(), name="api_balance"),
    path("api/account/payments", api.Payments.as_view(), name="api_payments"),
]

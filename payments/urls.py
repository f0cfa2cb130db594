"""Addresses of `payments`."""

from django.urls import URLPattern, URLResolver, path

from payments.messages import webhooks
from payments.pages import api, payment_pages, payout_pages, statement_pages, views

app_name = "payments"
urlpatterns: list[URLPattern | URLResolver] = [
    path("cashier/", views.cashier, name="cashier"),
    path("cashier/now", views.cashier_now, name="cashier_now"),
    path("cashier/payments/", payment_pages.payments, name="payments"),
    path("cashier/statement/", statement_pages.page, name="statement"),
    path("cashier/statement.csv", statement_pages.as_csv, name="statement_csv"),
    path("cashier/deposits/", views.deposit_new, name="deposit_new"),
    path("cashier/deposits/<uuid:deposit_id>/", payment_pages.deposit, name="deposit"),
    path("cashier/deposits/<uuid:deposit_id>/now", payment_pages.deposit_now, name="deposit_now"),
    path(
        "cashier/instruments/<uuid:instrument_id>/remove/",
        views.instrument_remove,
        name="instrument_remove",
    ),
    path("cashier/withdrawals/", payout_pages.withdrawal_new, name="withdrawal_new"),
    path("cashier/withdrawals/<uuid:withdrawal_id>/", payment_pages.withdrawal, name="withdrawal"),
    path(
        "cashier/withdrawals/<uuid:withdrawal_id>/now",
        payment_pages.withdrawal_now,
        name="withdrawal_now",
    ),
    path("cashier/withdraw/", payout_pages.withdraw, name="withdraw"),
    path("cashier/accounts/", payout_pages.accounts, name="payout_accounts"),
    path("cashier/accounts/new/", payout_pages.account_new, name="payout_account_new"),
    path(
        "cashier/accounts/<uuid:account_id>/remove/",
        payout_pages.account_remove,
        name="payout_account_remove",
    ),
    path("payments/webhooks/<slug:provider>/", webhooks.webhook, name="webhook"),
    path("api/account/balance", api.Balance.as_view(), name="api_balance"),
    path("api/account/payments", api.Payments.as_view(), name="api_payments"),
    path("api/account/payments/<uuid:payment_id>", api.Payment.as_view(), name="api_payment"),
    path("api/account/statement", api.Statement.as_view(), name="api_statement"),
]

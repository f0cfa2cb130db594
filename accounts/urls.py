"""Addresses of `accounts`. Those of allauth stand beside them under the same `/account/`."""

from django.urls import URLPattern, URLResolver, path

from accounts import second_factor_views as factor
from accounts import views

app_name = "accounts"
urlpatterns: list[URLPattern | URLResolver] = [
    path("me/", views.me, name="me"),
    # stands before allauth's page of the same address and name, which can only end all at once
    path("account/sessions/", views.my_sessions, name="sessions"),
    path("account/sessions/<int:device_id>/end/", views.end_session, name="end_session"),
    path("account/sessions/end-others/", views.end_other_sessions, name="end_other_sessions"),
    path("account/unlock/", views.unlock, name="unlock"),
    path("account/unlock/code/", views.unlock_code, name="unlock_code"),
    path("account/second-factor/", factor.overview, name="second_factor"),
    path("account/second-factor/check/", factor.check, name="second_factor_check"),
    path("account/second-factor/enrol/", factor.enrol, name="second_factor_enrol"),
    path("account/second-factor/qr.svg", factor.qr, name="second_factor_qr"),
    path("account/second-factor/codes/", factor.new_codes, name="second_factor_codes"),
    path("account/second-factor/remove/", factor.remove, name="second_factor_remove"),
]

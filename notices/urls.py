"""Addresses of `notices`."""

from django.urls import URLPattern, URLResolver, path

from notices import views

app_name = "notices"
urlpatterns: list[URLPattern | URLResolver] = [
    path("account/notices/", views.inbox, name="inbox"),
    path("account/notices/<uuid:notice_id>/", views.letter, name="letter"),
    path("mailbox/", views.mailbox, name="mailbox"),
    path("mailbox/<int:mail_id>/", views.mail, name="mail"),
]

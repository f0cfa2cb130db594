"""Addresses of `events`."""

from django.urls import URLPattern, URLResolver, path

from events.views import StreamEvents

app_name = "events"
urlpatterns: list[URLPattern | URLResolver] = [
    path("api/streams/<str:name>/events", StreamEvents.as_view(), name="stream-events"),
]

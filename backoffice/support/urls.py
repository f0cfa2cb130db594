"""Addresses of the support desk, all behind the staff door."""

from django.urls import URLPattern, URLResolver, path

from backoffice.support import api, case_pages, pages

app_name = "support"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.home, name="desk"),
    path("players/<int:player_id>/", pages.player, name="player"),
    path("players/<int:player_id>/identity/", pages.identity, name="identity"),
    path("players/<int:player_id>/cases/", pages.new_case, name="new_case"),
    path("players/<int:player_id>/act/<slug:name>/", pages.act, name="act"),
    path("players/<int:player_id>/rounds/<uuid:round_id>/", pages.round_view, name="round"),
    path("players/<int:player_id>/rounds/<uuid:round_id>/dispute/", pages.dispute, name="dispute"),
    path("cases/", case_pages.queue, name="cases"),
    path("cases/<slug:reference>/", case_pages.case, name="case"),
    path("cases/<slug:reference>/<slug:name>/", case_pages.act, name="case_act"),
    path("api/cases", api.Cases.as_view(), name="api_cases"),
    path("api/cases/<slug:reference>", api.CaseDetail.as_view(), name="api_case"),
]

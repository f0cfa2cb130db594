"""Addresses of the support desk, all behind the staff door."""

from django.urls import URLPattern, URLResolver, path

from backoffice import support, support_api, support_cases

app_name = "support"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", support.home, name="desk"),
    path("players/<int:player_id>/", support.player, name="player"),
    path("players/<int:player_id>/identity/", support.identity, name="identity"),
    path("players/<int:player_id>/cases/", support.new_case, name="new_case"),
    path("players/<int:player_id>/act/<slug:name>/", support.act, name="act"),
    path("players/<int:player_id>/rounds/<uuid:round_id>/", support.round_view, name="round"),
    path(
        "players/<int:player_id>/rounds/<uuid:round_id>/dispute/", support.dispute, name="dispute"
    ),
    path("cases/", support_cases.queue, name="cases"),
    path("cases/<slug:reference>/", support_cases.case, name="case"),
    path("cases/<slug:reference>/<slug:name>/", support_cases.act, name="case_act"),
    path("api/cases", support_api.Cases.as_view(), name="api_cases"),
    path("api/cases/<slug:reference>", support_api.CaseDetail.as_view(), name="api_case"),
]

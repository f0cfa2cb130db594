"""Addresses of `tables`."""

from django.urls import URLPattern, URLResolver, path

from studio.protocol.report import PATH as REPORT_PATH
from tables import api
from tables.pages import clip_views, guide, history, lobby, reality_check, views
from tables.play import studio_link
from tables.push import views as push_views

app_name = "tables"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", lobby.lobby, name="lobby"),
    path("lobby/state", lobby.state, name="lobby_state"),
    path("tables/<slug:table_id>/", views.table, name="table"),
    path("tables/<slug:table_id>/ticket", push_views.ticket, name="ticket"),
    path("tables/<slug:table_id>/bet/", views.bet, name="bet"),
    path("tables/<slug:table_id>/undo/", views.undo, name="undo"),
    path("tables/<slug:table_id>/rebet/", views.rebet, name="rebet"),
    path("tables/<slug:table_id>/double/", views.double, name="double"),
    path("tables/<slug:table_id>/rounds/<int:number>/", views.round_number, name="round_number"),
    path("reality-check/", reality_check.show, name="reality_check"),
    path("reality-check/look/", reality_check.look, name="reality_check_look"),
    path("history/", history.history, name="history"),
    path("rounds/<uuid:round_id>/", history.round_view, name="round"),
    path("rounds/<uuid:round_id>/clip/<str:name>", clip_views.clip_file, name="clip"),
    path("staff/rounds/<uuid:round_id>/clip/<str:name>", clip_views.clip_file, name="staff_clip"),
    path("rules/", guide.rules, name="rules"),
    path("help/", guide.help_page, name="help"),
    path("api/tables/", api.Tables.as_view(), name="api_tables"),
    path("api/tables/<slug:table_id>/", api.TableNow.as_view(), name="api_table"),
    path("api/tables/<slug:table_id>/rounds", api.Rounds.as_view(), name="api_rounds"),
    path("api/rounds/<uuid:round_id>", api.RoundDetail.as_view(), name="api_round"),
    path(REPORT_PATH.removeprefix("/"), studio_link.report, name="studio_report"),
]

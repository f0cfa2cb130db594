"""Addresses of `backoffice`."""

from django.urls import URLPattern, URLResolver, path

from backoffice.api import reports, rounds
from backoffice.players import former_pages, my_cases, my_data

app_name = "backoffice"
urlpatterns: list[URLPattern | URLResolver] = [
    path("api/reports/ggr", reports.Ggr.as_view(), name="api_ggr"),
    path("api/reports/funds-in-play", reports.FundsInPlay.as_view(), name="api_funds_in_play"),
    path("api/reports/rounds", rounds.StaffRounds.as_view(), name="api_staff_rounds"),
    path(
        "api/reports/rounds/<uuid:round_id>",
        rounds.RoundEvidence.as_view(),
        name="api_round_evidence",
    ),
    path("account/cases/", my_cases.my_cases, name="my_cases"),
    path("account/cases/new/", my_cases.new, name="my_new_case"),
    path("account/cases/<slug:reference>/", my_cases.case, name="my_case"),
    path("account/cases/<slug:reference>/reply/", my_cases.reply, name="my_reply"),
    path("account/data/", my_data.my_data, name="my_data"),
    path("account/data/download/", my_data.download, name="my_data_download"),
    path("account/data/ask/<slug:kind>/", my_data.ask, name="my_data_ask"),
    path("account/data/<slug:reference>/withdraw/", my_data.withdraw, name="my_data_withdraw"),
    path("data/", former_pages.former, name="former_data"),
    path("data/link/", former_pages.by_link, name="data_link"),
    path("rounds/<uuid:round_id>/dispute/", my_cases.dispute, name="my_dispute"),
]

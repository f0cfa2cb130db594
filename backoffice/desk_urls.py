"""Addresses of our own pages in the admin; they stand before the admin's own."""

from django.urls import URLPattern, URLResolver, include, path

from backoffice import change_pages, exports, staff_register
from backoffice.evidence import inspector_pages, round_page
from backoffice.officers import kyc_pages, overview_page, profile_pages
from backoffice.payment_desk import adjustment_pages, chargeback_pages, hold_pages, withdrawal_pages
from backoffice.players import player_page

app_name = "desk"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("backoffice.officers.urls")),
    path("", include("backoffice.payment_desk.dispute_urls")),
    path("", include("backoffice.finance.urls")),
    path("players/", player_page.search, name="players"),
    path("players/<int:player_id>/", player_page.player, name="player"),
    path("players/<int:player_id>/stop/", player_page.stop, name="player_stop"),
    path("players/<int:player_id>/release/", player_page.release, name="player_release"),
    path("players/<int:player_id>/sessions/", player_page.end_sessions, name="player_sessions"),
    path("players/<int:player_id>/debt/", player_page.debt, name="player_debt"),
    path("players/<int:player_id>/notes/", player_page.note, name="player_note"),
    path("rounds/<uuid:round_id>/", round_page.evidence, name="round"),
    path("rounds/<uuid:round_id>/evidence.json", round_page.evidence_file, name="round_file"),
    path("inspector/", inspector_pages.start, name="inspector"),
    path("inspector/days/<str:day>/", inspector_pages.day, name="inspector_day"),
    path("packs/<slug:kind>/<str:ref>/", inspector_pages.pack, name="pack"),
    path("export/<slug:what>.csv", exports.export, name="export"),
    path("withdrawals/", withdrawal_pages.overview, name="withdrawals"),
    path("withdrawals/accounts/", withdrawal_pages.accounts, name="payout_accounts"),
    path(
        "withdrawals/accounts/<uuid:account_id>/verify/",
        withdrawal_pages.account_verify,
        name="payout_account_verify",
    ),
    path(
        "withdrawals/accounts/<uuid:account_id>/refuse/",
        withdrawal_pages.account_refuse,
        name="payout_account_refuse",
    ),
    path("withdrawals/<uuid:request_id>/", withdrawal_pages.one, name="withdrawal"),
    path(
        "withdrawals/<uuid:request_id>/approve/",
        withdrawal_pages.approve,
        name="withdrawal_approve",
    ),
    path(
        "withdrawals/<uuid:request_id>/reject/",
        withdrawal_pages.reject,
        name="withdrawal_reject",
    ),
    path("holds/", hold_pages.overview, name="holds"),
    path("adjustments/", adjustment_pages.overview, name="adjustments"),
    path("adjustments/propose/", adjustment_pages.propose, name="adjustment_propose"),
    path("adjustments/<uuid:adjustment_id>/", adjustment_pages.adjustment, name="adjustment"),
    path(
        "adjustments/<uuid:adjustment_id>/approve/",
        adjustment_pages.approve,
        name="adjustment_approve",
    ),
    path(
        "adjustments/<uuid:adjustment_id>/refuse/",
        adjustment_pages.refuse,
        name="adjustment_refuse",
    ),
    path(
        "adjustments/<uuid:adjustment_id>/withdraw/",
        adjustment_pages.withdraw,
        name="adjustment_withdraw",
    ),
    path("chargebacks/", chargeback_pages.overview, name="chargebacks"),
    path("chargebacks/enter/", chargeback_pages.propose, name="chargeback_propose"),
    path("chargebacks/<uuid:chargeback_id>/", chargeback_pages.chargeback, name="chargeback"),
    path(
        "chargebacks/<uuid:chargeback_id>/approve/",
        chargeback_pages.approve,
        name="chargeback_approve",
    ),
    path(
        "chargebacks/<uuid:chargeback_id>/refuse/",
        chargeback_pages.refuse,
        name="chargeback_refuse",
    ),
    path(
        "chargebacks/<uuid:chargeback_id>/withdraw/",
        chargeback_pages.withdraw,
        name="chargeback_withdraw",
    ),
    path(
        "chargebacks/<uuid:chargeback_id>/return/",
        chargeback_pages.give_back,
        name="chargeback_return",
    ),
    path("verification/", kyc_pages.queue, name="kyc"),
    path(
        "verification/documents/<uuid:document_id>/<int:page>/",
        kyc_pages.document,
        name="kyc_document",
    ),
    path("verification/<int:player_id>/", kyc_pages.player, name="kyc_player"),
    path("verification/<int:player_id>/<slug:subject>/", kyc_pages.check, name="kyc_check"),
    path(
        "verification/<int:player_id>/<slug:subject>/decide/", kyc_pages.decide, name="kyc_decide"
    ),
    path(
        "verification/<int:player_id>/<slug:subject>/second/", kyc_pages.second, name="kyc_second"
    ),
    path("verification/<int:player_id>/<slug:subject>/more/", kyc_pages.more, name="kyc_more"),
    path("verification/<int:player_id>/<slug:subject>/ask/", kyc_pages.ask, name="kyc_ask"),
    path("verification/<int:player_id>/<slug:subject>/zone/", kyc_pages.zone, name="kyc_zone"),
    path("officers/", overview_page.officers, name="officers"),
    path("jurisdictions/", profile_pages.overview, name="profiles"),
    path("jurisdictions/<slug:code>/<slug:day>/", profile_pages.profile, name="profile"),
    path("jurisdictions/<slug:code>/<slug:day>/<slug:act>/", profile_pages.say, name="profile_say"),
    path("staff/", staff_register.register, name="staff"),
    path("staff/hire/", staff_register.hire, name="hire"),
    path("staff/changes/<uuid:change_id>/approve/", staff_register.approve, name="staff_approve"),
    path("staff/changes/<uuid:change_id>/reject/", staff_register.reject, name="staff_reject"),
    path(
        "staff/changes/<uuid:change_id>/withdraw/", staff_register.withdraw, name="staff_withdraw"
    ),
    path("staff/<int:user_id>/", staff_register.member, name="member"),
    path("staff/<int:user_id>/appoint/", staff_register.appoint, name="appoint"),
    path("staff/<int:user_id>/dismiss/", staff_register.dismiss, name="dismiss"),
    path("staff/<int:user_id>/close/", staff_register.close, name="close"),
    path("staff/<int:user_id>/reset-factor/", staff_register.reset_factor, name="reset_factor"),
    path("changes/", change_pages.overview, name="changes"),
    path("changes/<uuid:change_id>/", change_pages.change, name="change"),
    path("changes/<uuid:change_id>/approve/", change_pages.approve, name="change_approve"),
    path("changes/<uuid:change_id>/reject/", change_pages.reject, name="change_reject"),
    path("changes/<uuid:change_id>/withdraw/", change_pages.withdraw, name="change_withdraw"),
    path("changes/propose/<slug:table_id>/<slug:kind>/", change_pages.propose, name="propose"),
    path(
        "changes/propose/<slug:table_id>/<slug:kind>/<str:target>/",
        change_pages.propose,
        name="propose_limits",
    ),
]

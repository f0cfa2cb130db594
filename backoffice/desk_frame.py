"""The admin's frame: demonstration or not, and the way to each task, by right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse


@dataclass(frozen=True, slots=True)
class Way:
    """One entry of the sidebar: shown to whoever holds the right and where the page exists."""

    title: str
    icon: str
    name: str
    right: str


TASKS: Final[tuple[tuple[str, tuple[Way, ...]], ...]] = (
    (
        "Today",
        (
            Way("Dashboard", "monitoring", "admin:index", ""),
            Way("Floor", "casino", "floor:overview", "tables.watch_floor"),
            Way("Stop and go on", "front_hand", "floor:switches", "compliance.view_switch"),
            Way("Support desk", "support_agent", "support:desk", "compliance.work_desk"),
            Way("Cases", "folder_open", "support:cases", "compliance.work_desk"),
        ),
    ),
    (
        "People",
        (
            Way("Players", "person_search", "desk:players", "accounts.open_file"),
            Way("Identity checks", "how_to_reg", "desk:kyc", "compliance.view_kyc"),
            Way("Staff", "badge", "desk:staff", "accounts.view_appointment"),
            Way("Presenters", "co_present", "console:presenters", "tables.view_authorisation"),
        ),
    ),
    (
        "Officers",
        (
            Way("What waits", "checklist", "desk:officers", "compliance.view_profiles"),
            Way("Suspicions", "shield", "desk:suspicions", "compliance.work_aml"),
            Way("Markers of harm", "favorite", "desk:harm_cases", "compliance.work_harm"),
            Way("Exclusions", "block", "desk:exclusions", "compliance.guard_exclusions"),
            Way("Screening", "policy", "desk:screening", "compliance.work_screening"),
            Way(
                "Data requests", "folder_shared", "desk:data_requests",
                "backoffice.view_data_requests",
            ),
            Way("Retention", "auto_delete", "desk:retention", "compliance.view_profiles"),
            Way("Jurisdictions", "public", "desk:profiles", "compliance.view_profiles"),
            Way("Watching", "visibility", "desk:watch_rules", "compliance.work_aml"),
        ),
    ),
    (
        "The game",
        (
            Way(
                "Rounds", "radio_button_checked", "admin:tables_round_changelist",
                "tables.view_round",
            ),
            Way("Bets", "toll", "admin:tables_bet_changelist", "tables.view_bet"),
            Way("Tables", "table_restaurant", "admin:tables_table_changelist", "tables.view_table"),
            Way("Changes", "published_with_changes", "desk:changes", "tables.view_settingchange"),
            Way("Incidents", "report", "admin:tables_incident_changelist", "tables.view_incident"),
            Way("Corrections", "undo", "floor:corrections", "tables.view_correction"),
            Way("Inspections", "fact_check", "console:inspections", "tables.inspect"),
            Way("Rules", "gavel", "console:rules", "tables.view_publishedrules"),
            Way("Devices", "memory", "admin:tables_device_changelist", "tables.view_device"),
            Way(
                "Observations", "sensors", "admin:tables_sightingrecord_changelist",
                "tables.view_sightingrecord",
            ),
        ),
    ),
    (
        "Money",
        (
            Way("Finance", "monitoring", "desk:finance", "payments.view_reconciliation"),
            Way("Reports", "bar_chart", "desk:reports", "ledger.view_account"),
            Way(
                "Withdrawals", "payments", "desk:withdrawals", "payments.view_withdrawal",
            ),
            Way("Held money", "lock", "desk:holds", "ledger.view_account"),
            Way("Deposits to review", "flag", "desk:payment_reviews", "payments.review_deposit"),
            Way("Disputes", "gavel", "desk:disputes", "payments.view_chargebacks"),
            Way("Late payments", "schedule", "desk:late_payments", "payments.view_chargebacks"),
            Way("Chargebacks", "undo", "desk:chargebacks", "payments.view_chargebacks"),
            Way(
                "Adjustments and debts", "balance", "desk:adjustments", "ledger.view_adjustments",
            ),
            Way(
                "Accounts", "account_balance", "admin:ledger_account_changelist",
                "ledger.view_account",
            ),
            Way(
                "Entries", "receipt_long", "admin:ledger_entryline_changelist",
                "ledger.view_entryline",
            ),
            Way(
                "Transfers", "swap_horiz", "admin:ledger_transferrow_changelist",
                "ledger.view_transferrow",
            ),
            Way("Batches", "inventory_2", "admin:ledger_batch_changelist", "ledger.view_batch"),
        ),
    ),
    (
        "Record",
        (
            Way("Evidence packs", "inventory", "desk:inspector", "accounts.take_packs"),
            Way("Audit", "history", "admin:audit_auditevent_changelist", "audit.view_auditevent"),
            Way("Self-check", "verified", "self_check:page", "accounts.view_program_checks"),
            Way("API tokens", "key", "tokens:all", "accounts.manage_api_tokens"),
        ),
    ),
)  # fmt: skip


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar, by task, for this reader."""
    groups: list[dict[str, Any]] = []
    for title, ways in TASKS:
        items = [
            {"title": way.title, "icon": way.icon, "link": link}
            for way in ways
            if not way.right or request.user.has_perm(way.right)
            if (link := _link(way.name))
        ]
        if items:
            groups.append({"title": title, "items": items, "separator": bool(groups)})
    return groups


def environment(_request: HttpRequest) -> list[str]:
    """The badge: nobody mistakes a demonstration for the house, or the other way round."""
    if settings.FARO_MODE == "production":
        return ["Production", "danger"]
    return ["Demonstration" if settings.FARO_MODE == "demo" else "Test", "info"]


def title_prefix(_request: HttpRequest) -> str:
    """The same in the window's title."""
    return "" if settings.FARO_MODE == "production" else "(demonstration)"


def styles(_request: HttpRequest) -> str:
    """Our colours and letters, and the parts of our own pages."""
    return static("css/admin.css")


def mark(_request: HttpRequest) -> str:
    """The card crossed by a beam."""
    return static("img/favicon.svg")


def _link(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:  # a page that this house does not have (yet)
        return ""

"""The game's records in the staff pages: searched and read, never changed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from audit.list_filters import one_of
from events import stream
from kernel.money import SCALES, Money
from studio.protocol.messages import ObservationKind
from tables.floor_plan import stream_name
from tables.models import Bet, BetOutcome, Device, Incident, Round, SightingRecord, Table

#: Bets shown on a round's page; the rest by the link to the list.
BETS_SHOWN = 200
#: Events of one round are about a dozen; the search is bounded all the same.
EVENTS_MAX = 1_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic over a row it never names
    """Counts at most this many rows: the tables are too long to be counted for a page."""

    COUNT_MAX = 5_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows[: self.COUNT_MAX].count())


class ReadOnly:
    """Nobody adds, changes or deletes here, superusers included: acts have pages of their own."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class GameRecord(ReadOnly, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """What the lists have in common."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    actions = None


class IncidentInline(ReadOnly, TabularInline):  # type: ignore[misc]  # unfold ships no types
    model = Incident
    fields = ("fault", "detail", "opened_at", "resolved_at", "resolution", "resolved_by")
    readonly_fields = fields
    extra = 0


@admin.register(Table)
class TableAdmin(GameRecord):
    list_display = ("id", "name", "game", "ruleset", "status", "position")
    list_filter = ("status", "game", "ruleset")
    search_fields = ("id", "name")


@admin.register(Round)
class RoundAdmin(GameRecord):
    """A round with its bets, its events and the way to what the devices said."""

    list_display = ("id", "table", "number", "phase", "result", "opened_at", "finished_at")
    list_filter = ("table", "phase")
    search_help_text = "Round id, or its number at a table"
    search_fields = ("number",)
    list_select_related = ("table",)
    ordering = ("-opened_at", "-id")
    inlines = (IncidentInline,)
    fields = (
        "id", "table", "number", "phase", "phase_at", "opened_at", "closes_at", "closed_at",
        "result", "result_sources", "official_at", "finished_at", "void_reason", "respins",
        "ruleset", "rules_hash", "version", "bets", "events", "observations",
    )  # fmt: skip
    readonly_fields = fields

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With the way to the whole evidence of the round."""
        found = _uuid(object_id)
        address = "" if found is None else reverse("desk:round", args=[found])
        more = (extra_context or {}) | {"evidence_address": address}
        answer: HttpResponse = super().change_view(request, object_id, form_url, more)
        return answer

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Round], search_term: str
    ) -> tuple[QuerySet[Round], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.isdecimal() and len(term) < 19:
            return queryset.filter(number=int(term)), False
        found = _uuid(term)
        return (queryset.none() if found is None else queryset.filter(id=found)), False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Bets name players: shown to whoever may see bets."""
        if request.user.has_perm("tables.view_bet"):
            return self.fields
        return tuple(name for name in self.fields if name != "bets")

    @admin.display(description="bets")
    def bets(self, found: Round) -> SafeString:
        rows = list(Bet.objects.filter(round_id=found.id).order_by("id")[:BETS_SHOWN])
        outcomes = BetOutcome.objects.filter(round_id=found.id, bet_id__in=[r.id for r in rows])
        currencies = {row.id: row.currency for row in rows}
        ends = {
            end.bet_id: f"{end.kind} {Money(end.returned_minor, currencies[end.bet_id])}"
            for end in outcomes
        }
        lines = format_html_join(
            "",
            "<li>player {}: {} on {}, {}</li>",
            (
                (r.player_id, Money(r.stake_minor, r.currency), r.position, ends.get(r.id, "open"))
                for r in rows
            ),
        )
        address = reverse("admin:tables_bet_changelist")
        return format_html(
            '<ul>{}</ul><a href="{}?{}">All bets of this round</a>',
            lines,
            address,
            urlencode({"q": str(found.id)}),
        )

    @admin.display(description="events")
    def events(self, found: Round) -> SafeString:
        lines = format_html_join(
            "",
            "<li>{} #{} {} {}</li>",
            (
                (f"{event.at:%H:%M:%S.%f}", event.seq, event.kind, _readable(event.data))
                for event in _events(found)
            ),
        )
        return format_html("<ul>{}</ul>", lines)

    @admin.display(description="observations")
    def observations(self, found: Round) -> SafeString:
        bounds = {
            "table_id": found.table_id,
            "received_at__gte": found.opened_at.isoformat(),
        }
        if found.finished_at is not None:
            bounds["received_at__lte"] = found.finished_at.isoformat()
        address = reverse("admin:tables_sightingrecord_changelist")
        return format_html(
            '<a href="{}?{}">What the devices said in this round</a>', address, urlencode(bounds)
        )


@admin.register(Bet)
class BetAdmin(GameRecord):
    list_display = ("id", "accepted_at", "player_id", "position", "stake", "round_id")
    list_filter = (one_of("currency", [(code, code) for code in sorted(SCALES)]),)
    search_fields = ("=id",)
    search_help_text = "Bet id, round id, or player as player:17"
    ordering = ("-id",)  # ids carry their time, and the key's index serves the order
    fields = (
        "id", "accepted_at", "player_id", "position", "stake", "outcome", "round_id", "slip_id",
        "transfer_id", "rules_hash",
    )  # fmt: skip
    readonly_fields = fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Bet], search_term: str
    ) -> tuple[QuerySet[Bet], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        number = term.removeprefix("player:")
        if number.isdecimal() and len(number) < 19:
            return queryset.filter(player_id=int(number)), False
        found = _uuid(term)
        if found is None:
            return queryset.none(), False
        return (queryset.filter(id=found) | queryset.filter(round_id=found)), False

    @admin.display(description="stake", ordering="stake_minor")
    def stake(self, bet: Bet) -> str:
        return str(Money(bet.stake_minor, bet.currency))

    @admin.display(description="outcome")
    def outcome(self, bet: Bet) -> str:
        ends = BetOutcome.objects.filter(bet_id=bet.id, bet_accepted_at=bet.accepted_at)
        return (
            ", ".join(
                f"{end.kind} {Money(end.returned_minor, bet.currency)} (version {end.version})"
                for end in ends.order_by("version")
            )
            or "open"
        )


@admin.register(Incident)
class IncidentAdmin(GameRecord):
    list_display = ("opened_at", "table", "round", "fault", "resolved_at", "resolved_by")
    list_filter = ("table", "fault")
    list_select_related = ("table", "round")
    search_fields = ("detail", "resolution", "resolved_by")


@admin.register(Device)
class DeviceAdmin(GameRecord):
    list_display = ("id", "table", "kind", "last_seq", "last_seen_at", "last_fault")
    list_filter = ("table", "kind")
    list_select_related = ("table",)
    search_fields = ("id",)


@admin.register(SightingRecord)
class SightingAdmin(GameRecord):
    """Signed observations, as they came."""

    list_display = ("table_id", "n", "device_id", "kind", "captured_at", "data_text")
    list_filter = (one_of("kind", [(kind.value, kind.value) for kind in ObservationKind]),)
    search_fields = ("=device_id", "=table_id")
    search_help_text = "Device or table, whole"
    ordering = ("-pk_id",)
    fields = (
        "table_id", "n", "device_id", "seq", "kind", "captured_at", "received_at", "data_text",
        "payload_text", "signature_hex", "key_id",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="data")
    def data_text(self, seen: SightingRecord) -> str:
        return _readable(seen.data)

    @admin.display(description="payload, as signed")
    def payload_text(self, seen: SightingRecord) -> str:
        return bytes(seen.payload).decode(errors="replace")

    @admin.display(description="signature")
    def signature_hex(self, seen: SightingRecord) -> str:
        return bytes(seen.signature).hex()


def _events(found: Round) -> list[stream.Event]:
    """What the table's stream said of this round."""
    name = stream_name(found.table_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(min(seq), 1) - 1 FROM event WHERE stream = %s AND at >= %s",
            [name, found.opened_at],
        )
        after = cursor.fetchone()[0]
    events = stream.read(name, after, EVENTS_MAX)
    return [event for event in events if event.data.get("round") == found.number]


def _readable(fields: Any) -> str:
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, default=str)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

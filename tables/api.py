"""The game's data as JSON: tables, rounds, and the signed-in player's own bets in them.

Bets are placed over the socket of a table (docs/push.md) or by form. Results lag by its latency
bound, as on every page that is not pushed (`tables.reveal`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.database_clock import database_now
from kernel.clock import epoch_ms
from kernel.refusal import Refused
from tables import reveal, selectors, wording
from tables.models import Round, Table
from tables.pages.round_page import round_page
from tables.pages.visit import me

#: Rounds in one answer; older ones by ``before``.
ROUNDS_MAX = 100


class RoundOut(serializers.Serializer[dict[str, Any]]):
    """The round in play, or the last one."""

    number = serializers.IntegerField()
    phase = serializers.CharField()
    phase_label = serializers.CharField()
    opened_at = serializers.DateTimeField()
    closes_at_ms = serializers.IntegerField(help_text="betting closes, ms since 1970, server clock")
    result = serializers.IntegerField(allow_null=True)
    sources = serializers.ListField(
        child=serializers.CharField(), help_text="who said the number; manual: two people by hand"
    )
    corrected_from = serializers.IntegerField(
        allow_null=True, help_text="the number that stood before it was corrected"
    )
    finished_at = serializers.DateTimeField(allow_null=True)


class BetOut(serializers.Serializer[selectors.BetRow]):
    """One position of the player in a round."""

    code = serializers.CharField(help_text="canonical position, such as split:14-17")
    name = serializers.CharField(source="label", help_text="the position in words")
    stake_minor = serializers.IntegerField()
    returns_minor = serializers.IntegerField(help_text="paid, or what it would pay")
    status = serializers.CharField(help_text="accepted, won, lost or returned")
    currency = serializers.CharField()


class TableOut(serializers.Serializer[dict[str, Any]]):
    """A table as it stands."""

    id = serializers.CharField()
    name = serializers.CharField()
    rules = serializers.CharField()
    status = serializers.CharField()
    now_ms = serializers.IntegerField(help_text="server clock, ms since 1970")
    can_bet = serializers.BooleanField()
    suspended_reason = serializers.CharField(allow_null=True)
    round = RoundOut(allow_null=True)
    results = serializers.ListField(child=serializers.IntegerField(), help_text="newest first")
    balance_minor = serializers.IntegerField(allow_null=True)
    currency = serializers.CharField()
    bets = BetOut(many=True)


def round_json(found: Round | None, now: datetime) -> dict[str, Any] | None:
    """A round's public data; one whose result may not be told yet is still being checked."""
    if found is None:
        return None
    found = reveal.as_shown(found, now)
    return {
        "number": found.number,
        "phase": found.phase,
        "phase_label": wording.phase_label(found.phase),
        "opened_at": found.opened_at,
        "closes_at_ms": epoch_ms(found.closes_at),
        "result": found.result,
        "sources": found.result_sources,
        "corrected_from": found.corrected_from,
        "finished_at": found.finished_at,
    }


def table_json(request: HttpRequest | Request, found: Table) -> dict[str, Any]:
    """Table, round in play, results, and the caller's own bets and balance."""
    known = me(request)
    currency = known[1] if known else "EUR"
    newest = selectors.newest_round(found.id)
    playing = selectors.round_now(found.id)
    now = database_now()
    suspended = selectors.suspended_reason(found.id)
    return {
        "id": found.id,
        "name": found.name,
        "rules": found.ruleset,
        "status": found.status,
        "now_ms": epoch_ms(now),
        "can_bet": bool(playing and playing.can_bet and suspended is None),
        "suspended_reason": suspended,
        "round": round_json(newest, now),
        "results": [shown.number for shown in selectors.results(found.id)],
        "currency": currency,
        "balance_minor": selectors.balance_shown(known[0], currency) if known else None,
        "bets": selectors.my_bets(known[0], newest.id) if known and newest else [],
    }


def _found(table_id: str) -> Table:
    try:
        return selectors.table(table_id)
    except Refused:
        raise NotFound from None


class Tables(APIView):
    """`GET /api/tables/`."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="tables", responses=TableOut(many=True), tags=["game"])
    def get(self, request: Request) -> Response:
        """Every table as it stands."""
        rows: Any = [table_json(request, found) for found in Table.objects.all()]
        return Response(TableOut(rows, many=True).data)


class TableNow(APIView):
    """`GET /api/tables/<id>/`."""

    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="table",
        responses={200: TableOut, 404: OpenApiResponse(description="no such table")},
        tags=["game"],
    )
    def get(self, request: Request, table_id: str) -> Response:
        """One table as it stands."""
        return Response(TableOut(table_json(request, _found(table_id))).data)


class Rounds(APIView):
    """`GET /api/tables/<id>/rounds`."""

    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="rounds",
        parameters=[OpenApiParameter("before", int, description="rounds below this number")],
        responses={
            200: RoundOut(many=True),
            400: OpenApiResponse(description="not a round's number"),
            404: OpenApiResponse(description="no such table"),
        },
        tags=["game"],
    )
    def get(self, request: Request, table_id: str) -> Response:
        """The table's rounds, newest first, at most 100."""
        rounds = (
            Round.objects.filter(table=_found(table_id)).select_related("table").order_by("-number")
        )
        before = request.query_params.get("before", "")
        if before:
            if not (before.isdecimal() and len(before) < 19):
                raise serializers.ValidationError({"before": "a round's number"})
            rounds = rounds.filter(number__lt=int(before))
        now = database_now()
        rows = [round_json(found, now) for found in rounds[:ROUNDS_MAX]]
        return Response(RoundOut(rows, many=True).data)  # type: ignore[arg-type]  # none is None


class RoundDetailOut(serializers.Serializer[dict[str, Any]]):
    """A round as the signed-in player saw it."""

    round = RoundOut()
    bets = BetOut(many=True)
    staked_minor = serializers.IntegerField()
    returned_minor = serializers.IntegerField()
    balance_before_minor = serializers.IntegerField(allow_null=True)
    balance_after_minor = serializers.IntegerField(allow_null=True)
    rules_hash = serializers.CharField()


class RoundDetail(APIView):
    """`GET /api/rounds/<id>`."""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="round",
        responses={
            200: RoundDetailOut,
            401: OpenApiResponse(description="not signed in"),
            404: OpenApiResponse(description="no such round"),
        },
        tags=["game"],
    )
    def get(self, request: Request, round_id: UUID) -> Response:
        """One round with the caller's bets and funds before and after."""
        found = Round.objects.select_related("table").filter(id=round_id).first()
        known = me(request)
        if found is None or known is None:
            raise NotFound
        page = round_page(found, known[0], known[1])
        return Response(RoundDetailOut({**page, "round": round_json(found, database_now())}).data)

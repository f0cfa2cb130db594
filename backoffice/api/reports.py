"""Reports as JSON, for staff who answer for the money: by session with second factor, or token."""

from __future__ import annotations

from datetime import date
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.spreadsheet import NO_ACTIVITY
from backoffice import reports
from backoffice.api.access import STAFF_AUTHENTICATION, MayReadReports


class GgrOut(serializers.Serializer[reports.GgrRow]):
    """One table and currency on one gaming day."""

    day = serializers.DateField()
    table = serializers.CharField()
    currency = serializers.CharField(help_text="ISO 4217; amounts are in its minor units")
    rounds = serializers.IntegerField()
    staked_minor = serializers.IntegerField()
    paid_out_minor = serializers.IntegerField()
    returned_minor = serializers.IntegerField(help_text="refunds, and bets taken back")
    ggr_minor = serializers.IntegerField(help_text="staked - paid out - returned")
    test_minor = serializers.IntegerField(help_text="the same of test accounts, not in ggr_minor")
    house_minor = serializers.IntegerField(help_text="received by the table's house account")


class GgrReportOut(serializers.Serializer[dict[str, Any]]):
    """The report; ``note`` says so when there was no activity."""

    day = serializers.DateField()
    note = serializers.CharField(allow_null=True)
    rows = GgrOut(many=True)


class InPlayOut(serializers.Serializer[reports.InPlayRow]):
    """Stakes that stand in unfinished rounds of one table."""

    table = serializers.CharField()
    currency = serializers.CharField(help_text="ISO 4217; amounts are in its minor units")
    rounds = serializers.IntegerField()
    bets = serializers.IntegerField()
    staked_minor = serializers.IntegerField()
    test_minor = serializers.IntegerField(help_text="of test accounts, not in staked_minor")


class InPlayReportOut(serializers.Serializer[dict[str, Any]]):
    """The report; ``note`` says so when nothing stands."""

    note = serializers.CharField(allow_null=True)
    rows = InPlayOut(many=True)


class Ggr(APIView):
    """`GET /api/reports/ggr`."""

    authentication_classes = STAFF_AUTHENTICATION
    permission_classes = [MayReadReports]

    @extend_schema(
        operation_id="report_ggr",
        parameters=[OpenApiParameter("day", OpenApiTypes.DATE, required=True)],
        responses={
            200: GgrReportOut,
            400: OpenApiResponse(description="not a day"),
            401: OpenApiResponse(description="not signed in, or a token that opens nothing"),
            403: OpenApiResponse(description="not for this person, or no second factor shown"),
            429: OpenApiResponse(description="asked too often; Retry-After says when again"),
        },
        tags=["reports"],
    )
    def get(self, request: Request) -> Response:
        """Gross gaming revenue of one gaming day, per table and currency."""
        day = _day(request.query_params.get("day", ""))
        rows = reports.ggr(day)
        return Response(GgrReportOut({"day": day, "note": _note(rows), "rows": rows}).data)


class FundsInPlay(APIView):
    """`GET /api/reports/funds-in-play`."""

    authentication_classes = STAFF_AUTHENTICATION
    permission_classes = [MayReadReports]

    @extend_schema(
        operation_id="report_funds_in_play",
        responses={
            200: InPlayReportOut,
            401: OpenApiResponse(description="not signed in, or a token that opens nothing"),
            403: OpenApiResponse(description="not for this person, or no second factor shown"),
            429: OpenApiResponse(description="asked too often; Retry-After says when again"),
        },
        tags=["reports"],
    )
    def get(self, request: Request) -> Response:
        """Stakes that stand in unfinished rounds at this moment."""
        rows = reports.funds_in_play()
        return Response(InPlayReportOut({"note": _note(rows), "rows": rows}).data)


def _note(rows: list[Any]) -> str | None:
    return None if rows else NO_ACTIVITY


def _day(text: str) -> date:
    """A day that has a day before and after it in every zone."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 2000 <= day.year <= 2999:
        raise serializers.ValidationError({"day": "a gaming day, YYYY-MM-DD"})
    return day

"""Rounds as JSON for staff and their programs: a table's rounds, and all that is stored about one.

Not for players, who have `tables.api`: here nothing waits for a picture, and bets name players by
their numbers. Needs scope ``rounds:read``; the evidence also the right to take it, and who did is
recorded.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backoffice.api.access import STAFF_AUTHENTICATION, MayReadRounds
from backoffice.api.api_tokens import Token
from backoffice.evidence import evidence_doors
from kernel.ids import Actor
from tables.models import Round, Table

ROUNDS_MAX: Final = 100
#: What a PostgreSQL ``bigint`` holds has at most 19 digits; so long a number is none of ours.
DIGITS_MAX: Final = 18
_REFUSALS: Final = {
    401: OpenApiResponse(description="not signed in, or a token that opens nothing"),
    403: OpenApiResponse(description="not for this person, or no second factor shown"),
    404: OpenApiResponse(description="no such table or round"),
    429: OpenApiResponse(description="asked too often; Retry-After says when again"),
}


class StaffRoundOut(serializers.Serializer[Round]):
    """A round as it is stored."""

    id = serializers.UUIDField()
    table = serializers.CharField(source="table_id")
    number = serializers.IntegerField()
    phase = serializers.CharField()
    version = serializers.IntegerField(help_text="above 1: corrected")
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    official_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    result = serializers.IntegerField(allow_null=True)
    sources = serializers.ListField(child=serializers.CharField(), source="result_sources")
    void_reason = serializers.CharField()
    rules_hash = serializers.CharField()


class StaffRounds(APIView):
    """`GET /api/reports/rounds`."""

    authentication_classes = STAFF_AUTHENTICATION
    permission_classes = [MayReadRounds]

    @extend_schema(
        operation_id="report_rounds",
        parameters=[
            OpenApiParameter("table", str, required=True, description="the table's id"),
            OpenApiParameter("before", OpenApiTypes.INT64, description="rounds below this number"),
        ],
        responses={
            200: StaffRoundOut(many=True),
            400: OpenApiResponse(description="no table named, or not a number"),
            **_REFUSALS,
        },
        tags=["reports"],
    )
    def get(self, request: Request) -> Response:
        """A table's rounds, newest first, at most 100."""
        table_id = request.query_params.get("table", "")
        before = request.query_params.get("before", "")
        if not table_id or "\x00" in table_id:
            raise serializers.ValidationError({"table": "the table's id"})
        if before and not (before.isascii() and before.isdigit() and len(before) <= DIGITS_MAX):
            raise serializers.ValidationError({"before": "a round's number"})
        if not Table.objects.filter(id=table_id).exists():
            raise NotFound
        rounds = Round.objects.filter(table_id=table_id).order_by("-number")
        if before:
            rounds = rounds.filter(number__lt=int(before))
        rows: Any = rounds[:ROUNDS_MAX]
        return Response(StaffRoundOut(rows, many=True).data)


class RoundEvidence(APIView):
    """`GET /api/reports/rounds/<id>`."""

    authentication_classes = STAFF_AUTHENTICATION
    permission_classes = [MayReadRounds]

    @extend_schema(
        operation_id="report_round",
        responses={200: OpenApiTypes.OBJECT, **_REFUSALS},
        tags=["reports"],
    )
    def get(self, request: Request, round_id: UUID) -> HttpResponse:
        """All that is stored about a round: the same bytes as the file that staff download."""
        if not request.user.has_perm(evidence_doors.TAKE):
            raise PermissionDenied
        door = f"token:{request.auth.id}" if isinstance(request.auth, Token) else "api"
        actor = Actor.staff(int(request.user.pk or 0))
        taken = evidence_doors.take(round_id, actor=actor, door=door)
        if taken is None:
            raise NotFound
        return HttpResponse(taken.data, content_type="application/json")

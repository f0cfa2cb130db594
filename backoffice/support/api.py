"""Cases as JSON for whoever works at the desk: what its pages show, and nothing beside it.

A token is text in a file of some program: it never reads what is hidden from players, whoever it
stands for, nor a confidential note, whoever wrote it. Who reads a case here is recorded as on its
page.
"""

from __future__ import annotations

from typing import Any, Final

from django.db.models import F
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.record import Subject
from backoffice.api.access import STAFF_AUTHENTICATION, MayReadCases
from backoffice.api.api_tokens import Token
from backoffice.support import search
from compliance import cases
from compliance.case_states import CaseState
from compliance.cases import Officer
from compliance.models import Case, CaseEvent
from kernel.ids import Actor
from kernel.refusal import Refused

CASES_MAX: Final = 100


class CaseOut(serializers.Serializer[Case]):
    """A case in the list."""

    reference = serializers.CharField()
    kind = serializers.CharField()
    state = serializers.CharField()
    subject = serializers.CharField()
    player_id = serializers.IntegerField()
    round_id = serializers.UUIDField(allow_null=True)
    opened_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)


class CaseEventOut(serializers.Serializer[CaseEvent]):
    """One thing that happened in a case."""

    at = serializers.DateTimeField()
    kind = serializers.CharField()
    actor_kind = serializers.CharField()
    audience = serializers.CharField()
    text = serializers.CharField()


class CaseDetailOut(serializers.Serializer[dict[str, Any]]):
    """A case with what its reader may read of it."""

    case = CaseOut()
    events = CaseEventOut(many=True)


class Cases(APIView):
    """`GET /support/api/cases`."""

    authentication_classes = STAFF_AUTHENTICATION
    permission_classes = [MayReadCases]

    @extend_schema(
        operation_id="support_cases",
        responses={
            200: CaseOut(many=True),
            401: OpenApiResponse(description="not signed in, or a token that opens nothing"),
            403: OpenApiResponse(description="not for this person"),
            429: OpenApiResponse(description="asked too often"),
        },
        tags=["support"],
    )
    def get(self, request: Request) -> Response:
        """Open cases, what is due first on top, at most 100."""
        found = cases.visible(_officer(request)).exclude(state=CaseState.CLOSED)
        rows: Any = found.order_by(F("due_at").asc(nulls_last=True), "opened_at")[:CASES_MAX]
        return Response(CaseOut(rows, many=True).data)


class CaseDetail(APIView):
    """`GET /support/api/cases/<reference>`."""

    authentication_classes = STAFF_AUTHENTICATION
    permission_classes = [MayReadCases]

    @extend_schema(
        operation_id="support_case",
        responses={
            200: CaseDetailOut,
            401: OpenApiResponse(description="not signed in, or a token that opens nothing"),
            403: OpenApiResponse(description="not for this person"),
            429: OpenApiResponse(description="asked too often"),
            404: OpenApiResponse(description="no such case"),
        },
        tags=["support"],
    )
    def get(self, request: Request, reference: str) -> Response:
        """One case with its events."""
        who = _officer(request)
        try:
            found = cases.find(who, reference)
        except Refused:
            raise NotFound from None
        door = f"token:{request.auth.id}" if isinstance(request.auth, Token) else "api"
        search.note_opened(
            search.CASE_OPENED,
            who.actor,
            Subject("case", found.reference),
            {"player": found.player_id, "door": door},
        )
        return Response(CaseDetailOut({"case": found, "events": cases.events(found, who)}).data)


def _officer(request: Request) -> Officer:
    user = request.user
    is_token = isinstance(request.auth, Token)
    sees_hidden = not is_token and user.has_perm("compliance.handle_hidden")
    return Officer(Actor.staff(int(user.pk or 0)), sees_hidden, is_token)

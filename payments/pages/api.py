"""Read-only API of a player's own money: balance, payments with their timelines, statement."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers
from rest_framework.exceptions import NotFound, Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import rate_limits
from audit.database_clock import database_now
from audit.streamed import streamed
from compliance.standing import read_standing
from kernel.ids import PlayerId
from kernel.money import Money
from kernel.refusal import Refused
from payments import listing, selectors
from payments.pages import statement
from payments.pages.showing import spoken
from payments.words import explaining


class BalanceOut(serializers.Serializer[selectors.Funds]):
    """A player's money in minor units (cents for EUR)."""

    currency = serializers.CharField(help_text="ISO 4217")
    available_minor = serializers.IntegerField(help_text="can be played or withdrawn")
    held_minor = serializers.IntegerField(help_text="on its way out")
    set_aside_minor = serializers.IntegerField(
        help_text="held on the balance for something that is open; not part of what is available"
    )
    available = serializers.SerializerMethodField(help_text="decimal text, such as 12.50")

    def get_available(self, funds: selectors.Funds) -> str:
        return Money(funds.available_minor, funds.currency).decimal()


class PaymentOut(serializers.Serializer[explaining.Shown]):
    """One deposit or withdrawal, with its five answers in words."""

    id = serializers.UUIDField()
    direction = serializers.ChoiceField(choices=["deposit", "withdrawal"])
    amount_minor = serializers.IntegerField(help_text="minor units, always positive")
    refunded_minor = serializers.IntegerField(help_text="what of a deposit went back")
    currency = serializers.CharField(help_text="ISO 4217")
    method = serializers.CharField(help_text="with what was paid, such as Visa •• 4242; or empty")
    case = serializers.CharField(help_text="the case about it, such as K7M-QX3P; or empty")
    state = serializers.CharField()
    name = serializers.CharField(help_text="the state in a word or two")
    words = serializers.CharField(help_text="what happened")
    awaited = serializers.CharField(help_text="what is awaited")
    whom = serializers.CharField(help_text="from whom")
    by_when = serializers.DateTimeField(help_text="by when; or when it was over")
    can_do = serializers.CharField(help_text="what the player can do")
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()
    expected_by = serializers.DateTimeField(
        allow_null=True, help_text="when the waiting ends at the latest; null when nothing waits"
    )
    is_late = serializers.BooleanField(help_text="the promised time is over")


class PaymentsOut(serializers.Serializer[dict[str, Any]]):
    """A page of payments, newest first."""

    payments = PaymentOut(many=True)
    older_than = serializers.UUIDField(
        allow_null=True, help_text="`before` of the next page; null where there are no older ones"
    )


class StepOut(serializers.Serializer[explaining.Step]):
    """One line of a payment's timeline."""

    state = serializers.ChoiceField(choices=["done", "stopped", "now", "next"])
    title = serializers.CharField()
    words = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True, help_text="null for what has not happened yet")


class PaymentDetailOut(serializers.Serializer[dict[str, Any]]):
    """A payment with its timeline."""

    payment = PaymentOut()
    timeline = StepOut(many=True)


class PaymentsAsked(serializers.Serializer[dict[str, Any]]):
    """Which payments."""

    direction = serializers.ChoiceField(choices=["deposit", "withdrawal"], required=False)
    stand = serializers.ChoiceField(
        choices=[one.value for one in listing.Stand],
        required=False,
        help_text="waiting: under way; done: arrived or paid; not_done: neither, or gone back",
    )
    since = serializers.DateTimeField(required=False, help_text="made at this instant or later")
    until = serializers.DateTimeField(required=False, help_text="made before this instant")
    before = serializers.UUIDField(required=False, help_text="`older_than` of the page before")
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=listing.PER_PAGE_MAX, default=listing.PER_PAGE
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Instants that every zone and the database know."""
        for name in ("since", "until"):
            if name in attrs and not 2000 <= attrs[name].year <= 2999:
                raise serializers.ValidationError({name: "a year from 2000 to 2999"})
        return attrs


class TotalOut(serializers.Serializer[dict[str, Any]]):
    """What movements of one kind brought and took."""

    what = serializers.CharField()
    came_minor = serializers.IntegerField()
    went_minor = serializers.IntegerField()
    count = serializers.IntegerField()


class LineOut(serializers.Serializer[dict[str, Any]]):
    """One line: ``amount_minor`` is signed, plus where the balance grew."""

    at = serializers.DateTimeField(help_text="local time with its offset")
    kind = serializers.CharField()
    what = serializers.CharField()
    ref = serializers.CharField(help_text="what it was for, such as payment:<id> or round:<id>")
    amount_minor = serializers.IntegerField()
    balance_minor = serializers.IntegerField(help_text="after this line")


#: From and to are words of Python, so the statement's fields get their names here.
StatementOut = inline_serializer(
    "Statement",
    {
        "from": serializers.DateField(),
        "to": serializers.DateField(),
        "zone": serializers.CharField(help_text="by whose calendar the days are"),
        "currency": serializers.CharField(),
        "made_at": serializers.DateTimeField(),
        "opening_minor": serializers.IntegerField(),
        "came_minor": serializers.IntegerField(),
        "went_minor": serializers.IntegerField(),
        "closing_minor": serializers.IntegerField(help_text="opening + came - went"),
        "on_its_way_out_minor": serializers.IntegerField(help_text="at the end; not in closing"),
        "totals": TotalOut(many=True),
        "lifetime_deposited_minor": serializers.IntegerField(),
        "lifetime_went_back_minor": serializers.IntegerField(),
        "lifetime_withdrawn_minor": serializers.IntegerField(),
        "lifetime_net_deposits_minor": serializers.IntegerField(),
        "lines": LineOut(many=True),
    },
)


class Balance(APIView):
    """`GET /api/account/balance`."""

    @extend_schema(
        operation_id="account_balance",
        responses={
            200: BalanceOut,
            401: OpenApiResponse(description="not signed in"),
            404: OpenApiResponse(description="not a player"),
        },
        tags=["account"],
    )
    def get(self, request: Request) -> Response:
        """The signed-in player's balance."""
        funds = selectors.funds(_player_id(request))
        if funds is None:
            raise NotFound
        return Response(BalanceOut(funds).data)


class Payments(APIView):
    """`GET /api/account/payments`."""

    @extend_schema(
        operation_id="account_payments",
        parameters=[PaymentsAsked],
        responses={
            200: PaymentsOut,
            400: OpenApiResponse(description="a filter that is none"),
            401: OpenApiResponse(description="not signed in"),
        },
        tags=["account"],
    )
    def get(self, request: Request) -> Response:
        """The signed-in player's payments, newest first, page by page as far back as they go."""
        asked = PaymentsAsked(data=request.query_params)
        asked.is_valid(raise_exception=True)
        wanted: dict[str, Any] = asked.validated_data
        found = listing.page(
            _player_id(request),
            listing.Wanted(
                direction=wanted.get("direction"),
                stand=listing.Stand(wanted["stand"]) if "stand" in wanted else None,
                since=wanted.get("since"),
                until=wanted.get("until"),
            ),
            before=wanted.get("before"),
            limit=wanted["limit"],
        )
        now = database_now()
        shown = [explaining.shown(one, now) for one in found.payments]
        page = {"payments": shown, "older_than": found.older_than}
        return Response(PaymentsOut(page).data)


class Payment(APIView):
    """`GET /api/account/payments/<id>`."""

    @extend_schema(
        operation_id="account_payment",
        responses={
            200: PaymentDetailOut,
            401: OpenApiResponse(description="not signed in"),
            404: OpenApiResponse(description="no payment of this player"),
        },
        tags=["account"],
    )
    def get(self, request: Request, payment_id: UUID) -> Response:
        """One payment: what happened, what is awaited, from whom, by when, what to do."""
        found = selectors.payment(_player_id(request), payment_id)
        if found is None:
            raise NotFound
        detail = {
            "payment": explaining.shown(found, database_now()),
            "timeline": explaining.timeline(found),
        }
        return Response(PaymentDetailOut(detail).data)


class Statement(APIView):
    """`GET /api/account/statement`."""

    @extend_schema(
        operation_id="account_statement",
        parameters=[
            OpenApiParameter("from", OpenApiTypes.DATE, description="default: this month's first"),
            OpenApiParameter("to", OpenApiTypes.DATE, description="included; default: today"),
        ],
        responses={
            200: StatementOut,
            400: OpenApiResponse(description="not a period"),
            401: OpenApiResponse(description="not signed in"),
            404: OpenApiResponse(description="not a player"),
            429: OpenApiResponse(description="asked too often; Retry-After says when again"),
        },
        tags=["account"],
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The signed-in player's account between two days of their calendar, with every line."""
        player_id, now = _player_id(request), database_now()
        try:
            rate_limits.consume(request, rate_limits.Act.STATEMENT, email=f"player:{player_id}")
        except rate_limits.TooMany as too_many:
            raise Throttled(wait=too_many.retry_after_s) from None
        standing = read_standing(player_id)
        if standing is None:
            raise NotFound
        asked, today = request.query_params, statement.today(standing, now)
        try:
            days = statement.days_named(asked.get("from", ""), asked.get("to", ""), today)
        except Refused:
            raise serializers.ValidationError(
                {"from": "a day", "to": "a day, not before"}
            ) from None
        pieces = statement.json_pieces(statement.read(standing, days, now))
        return streamed(request._request, spoken(pieces), "application/json")


def _player_id(request: Request) -> PlayerId:
    return PlayerId(int(request.user.pk or 0))

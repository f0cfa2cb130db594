"""Read-only API of a player's own money."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from kernel.ids import PlayerId
from kernel.money import Money
from payments import selectors, wording


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


class PaymentOut(serializers.Serializer[wording.Shown]):
    """One deposit or withdrawal."""

    id = serializers.UUIDField()
    direction = serializers.ChoiceField(choices=["deposit", "withdrawal"])
    amount_minor = serializers.IntegerField(help_text="minor units, always positive")
    currency = serializers.CharField(help_text="ISO 4217")
    state = serializers.CharField()
    words = serializers.CharField(help_text="what happened and what is awaited, in plain words")
    created_at = serializers.DateTimeField()
    expected_by = serializers.DateTimeField(
        allow_null=True, help_text="when the waiting ends at the latest; null when nothing waits"
    )


class Balance(APIView):
    """`GET /api/account/balance`."""

    @extend_schema(
        operation_id="account_balance",
        responses={
            200: BalanceOut,
            403: OpenApiResponse(description="not signed in"),
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
        responses={
            200: PaymentOut(many=True),
            403: OpenApiResponse(description="not signed in"),
        },
        tags=["account"],
    )
    def get(self, request: Request) -> Response:
        """The signed-in player's newest payments, newest first, at most 50."""
        found: Any = [wording.shown(one) for one in selectors.payments(_player_id(request))]
        return Response(PaymentOut(found, many=True).data)


def _player_id(request: Request) -> PlayerId:
    return PlayerId(int(request.user.pk or 0))

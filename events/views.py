"""Reading public streams over HTTP: for plain pages, scripts, and clients that missed something."""

from __future__ import annotations

import re
from typing import Final

from django.http import HttpResponse, JsonResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from events import public_lag, stream
from events.wire import frame

#: Only table streams are public; a player's own stream (``u:``) is never read here.
PUBLIC_NAME: Final = re.compile(r"t:[a-z0-9-]{1,40}")
LIMIT: Final = 256
#: What a PostgreSQL ``bigint`` holds.
NUMBER_MAX: Final = 2**63 - 1


class StreamEvents(APIView):
    """Frames of a table's stream after a number."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="stream_events",
        summary="Events of a table after a number",
        description=(
            f"At most {LIMIT} frames, in order. `seq` is the last number. Events of a table are"
            " told when its picture has shown them; sockets have them at once."
        ),
        parameters=[OpenApiParameter("after", OpenApiTypes.INT64, description="default 0")],
        responses={200: OpenApiTypes.OBJECT, 400: OpenApiTypes.OBJECT, 404: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, name: str) -> HttpResponse:
        """Frames exactly as they are pushed; 404 for an unknown or private stream."""
        text = request.query_params.get("after", "0")
        if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > NUMBER_MAX:
            return JsonResponse({"code": "not_a_number", "name": "after"}, status=400)
        if not PUBLIC_NAME.fullmatch(name):
            return JsonResponse({"code": "no_such_stream"}, status=404)
        found = stream.find_position(name)
        if found is None:
            return JsonResponse({"code": "no_such_stream"}, status=404)
        epoch, _ = found
        events, seq = stream.read_older(name, int(text), LIMIT, public_lag.lag_ms(name))
        frames = ",".join(frame(event) for event in events)
        body = f'{{"stream":"{name}","epoch":"{epoch}","seq":{seq},"events":[{frames}]}}'
        answer = HttpResponse(body, content_type="application/json")
        answer["Cache-Control"] = "no-store"
        return answer

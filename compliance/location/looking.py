"""Looking where a player is: at sign-up, at sign-in, and again when the policy's time is over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.contrib.auth import SESSION_KEY
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponseBase

from accounts import doors
from accounts.client_address import client_address
from audit.database_clock import database_now
from audit.record import Personal, Subject, record, register
from audit.together import run_together
from compliance import admission
from compliance.admission import AdmissionCode, PlaceOutcome
from compliance.jurisdictions import Jurisdiction, offered_countries
from compliance.location.geoip import can_look, locator
from compliance.location.protocol import Address, judge
from compliance.standing import lock_standing, read_standing
from kernel.clock import SystemClock
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused

SEEN_ELSEWHERE: Final = register("player.place_changed", "Place of a player changed")
#: In the session: when to look next, in seconds since 1970; 0 is with the next request.
_DUE: Final = "place_look_s"
WATCHER: Final = Actor.system("location")


def check_visitor(request: HttpRequest, policy: Jurisdiction) -> None:
    """Whether an account under ``policy`` may be opened from here.

    Refuses with ``PLACE_NOT_ALLOWED``, with ``PLACE_NOT_CHECKED`` where nobody can look and the
    policy says that this refuses, or with ``PLACE_UNKNOWN`` where it says so.
    """
    if not policy.location_required:
        return
    if policy.location_unchecked_refuses and not can_look():
        raise Refused(AdmissionCode.PLACE_NOT_CHECKED)
    place = locator().place(client_address(request))
    outcome = judge(policy, place, offered_countries(database_now().date()))
    if outcome is PlaceOutcome.NOT_ALLOWED:
        raise Refused(AdmissionCode.PLACE_NOT_ALLOWED)
    if outcome is PlaceOutcome.UNKNOWN and policy.location_unknown_refuses:
        raise Refused(AdmissionCode.PLACE_UNKNOWN)


def look(player_id: PlayerId, address: Address) -> PlaceOutcome | None:
    """See where the player is and keep it; None where their policy does not ask, or nobody can.

    What was seen before stays where nobody can look now; that nothing is known of an address is
    kept too, since it was looked at. Locks the player. A change of place or of what it means is
    audited, the place as a personal field. The address itself is not kept.
    """
    standing = read_standing(player_id)
    if standing is None:
        return None
    now = database_now()
    policy = standing.policy(now)
    if not policy.location_required or not can_look():
        return None
    place = locator().place(address)
    outcome = judge(policy, place, offered_countries(now.date()))
    with transaction.atomic():
        lock_standing(player_id)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT place, place_outcome FROM compliance_admission WHERE player_id = %s",
                [player_id],
            )
            before = cursor.fetchone() or ("", "")
            if outcome is PlaceOutcome.UNKNOWN and before[1] == PlaceOutcome.NOT_ALLOWED:
                return outcome  # hiding is no way round: another place has to be seen
            cursor.execute(
                "INSERT INTO compliance_admission (player_id, place, place_outcome,"
                " place_valid_until) VALUES (%s, %s, %s, %s) ON CONFLICT (player_id) DO UPDATE"
                " SET place = excluded.place, place_outcome = excluded.place_outcome,"
                " place_valid_until = excluded.place_valid_until",
                [player_id, str(place), outcome.value, now + policy.location_valid],
            )
        if before != (str(place), outcome.value):
            record(
                SEEN_ELSEWHERE,
                actor=WATCHER,
                subject=Subject("player", str(player_id)),
                component="compliance",
                before={"outcome": before[1]},
                after={"outcome": outcome.value},
                personal=Personal(int(player_id), {"place": str(place)}),
            )
    return outcome


class PlaceAgain:
    """After authentication, at the players' door: looks again when the policy's time is over."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not doors.is_staff_door(request) and SESSION_KEY in request.session:
            now_s = int(SystemClock().now().timestamp())
            if now_s >= int(request.session.get(_DUE, 0)):
                again(request, PlayerId(int(request.session[SESSION_KEY])))
        return self.get_response(request)


def again(request: HttpRequest, player_id: PlayerId) -> None:
    """Look now, and note in the session when to look next: at half of what is relied on.

    While the place refuses it is looked at with each request, as the refusal's words say.
    """
    look(player_id, client_address(request))
    standing, now = read_standing(player_id), database_now()
    wait_s = 3_600
    if standing is not None:
        policy = standing.policy(now)
        wait_s = max(60, int(policy.location_valid.total_seconds()) // 2)
        if _refuses(player_id, policy, now):
            wait_s = 0
    due_s = wait_s and int(SystemClock().now().timestamp()) + wait_s
    if request.session.get(_DUE) != due_s:
        request.session[_DUE] = due_s


def _refuses(player_id: PlayerId, policy: Jurisdiction, now: datetime) -> bool:
    if not policy.location_required:
        return False
    with transaction.atomic():
        [rows] = run_together([admission.asking([player_id])])
    found = admission.of_rows(rows).get(player_id)
    return admission.place_refusal(policy, found, now, can_look=can_look()) is not None

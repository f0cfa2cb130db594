"""Who is in the register, and who among the others could be one of them: found in the database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.db import connection

from accounts.known_browser import address_key
from compliance.kyc import declarations
from compliance.kyc.checks import NAME
from compliance.kyc.states import Subject
from compliance.own_register import digests
from compliance.own_register.matching import Birth, Known, Likeness, Verdict, judge
from compliance.screening.names import Name, normal
from kernel.arrays import array_of_texts
from kernel.ids import Actor, PlayerId, new_id

#: An exclusion is in force: until its end, or until the player has come back.
_IN_FORCE: Final = (
    "s.excluded_until IS NOT NULL AND (s.exclusion_holds OR s.excluded_until > clock_timestamp())"
)
#: Births worth a look: the same, or a slip of the pen away (`matching.births`).
_BORN: Final = """(p.date_of_birth = %(born)s
    OR (extract(year FROM p.date_of_birth) = %(year)s
        AND extract(month FROM p.date_of_birth) = %(day)s
        AND extract(day FROM p.date_of_birth) = %(month)s)
    OR (extract(year FROM p.date_of_birth) = %(year)s)::int
       + (extract(month FROM p.date_of_birth) = %(month)s)::int
       + (extract(day FROM p.date_of_birth) = %(day)s)::int = 2)"""
#: Whether the account and the one at hand were seen with the same browser or instrument.
_SHARES: Final = """EXISTS (SELECT FROM compliance_trait a JOIN compliance_trait b
    ON b.kind = a.kind AND b.value = a.value
    WHERE a.player_id = p.user_id AND b.player_id = %(self)s AND a.kind = '{kind}')"""
_EXCLUDED_SQL: Final = f"""
SELECT p.user_id, u.name, p.date_of_birth, EXISTS (
    SELECT FROM compliance_register_entry e WHERE e.player_id = p.user_id
      AND e.address_key = ANY (%(browsers)s::text::text[])) AS by_browser,
    {_SHARES.format(kind="instrument")} AS by_instrument
FROM compliance_standing s JOIN accounts_player p ON p.user_id = s.player_id
JOIN accounts_user u ON u.id = p.user_id
WHERE {_IN_FORCE} AND p.user_id <> %(self)s AND ({_BORN} OR EXISTS (
    SELECT FROM compliance_register_entry e WHERE e.player_id = p.user_id
      AND e.address_key = ANY (%(browsers)s::text::text[])))
ORDER BY p.user_id
"""  # noqa: S608  (fixed words alone)
_OTHERS_SQL: Final = f"""
SELECT p.user_id, u.name, p.date_of_birth, {_SHARES.format(kind="browser")},
    {_SHARES.format(kind="instrument")}
FROM compliance_standing s JOIN accounts_player p ON p.user_id = s.player_id
JOIN accounts_user u ON u.id = p.user_id
WHERE s.status <> 'closed' AND p.user_id <> %(self)s
  AND ({_BORN} OR {_SHARES.format(kind="browser")} OR {_SHARES.format(kind="instrument")})
ORDER BY p.user_id
"""  # noqa: S608  (fixed words alone)


@dataclass(frozen=True, slots=True)
class Somebody:
    """An account that was compared, and how alike it is."""

    player_id: PlayerId
    likeness: Likeness

    @property
    def is_same(self) -> bool:
        return self.likeness.verdict is Verdict.SAME


def enter(player_id: PlayerId, email: str, *, since: datetime, actor: Actor) -> None:
    """Put somebody in the register, in the transaction that excludes them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_register_entry (id, player_id, since, address_key, by_actor)"
            " VALUES (%s, %s, %s, %s, %s)",
            [new_id(), player_id, since, address_key(email), str(actor)],
        )


def excluded_like(
    names: Collection[str],
    born: date,
    *,
    browsers: Collection[str] = (),
    besides: PlayerId | None = None,
) -> list[Somebody]:
    """Excluded people who are the person of these facts, or alike; the same ones first.

    ``browsers`` are keys of addresses that have signed in in the person's browser. Who was erased
    meanwhile is recognised by digests alone. Reads alone.
    """
    person = Known(tuple(one for one in map(normal, names) if one), born)
    erased = [_recognised(one) for one in digests.recognised(person, _IN_FORCE) if one != besides]
    return [*erased, *_compared(_EXCLUDED_SQL, person, browsers, besides or PlayerId(0))]


def _recognised(player_id: PlayerId) -> Somebody:
    return Somebody(
        player_id,
        Likeness(Verdict.SAME, 1_000, 1_000, Birth.SAME, by_browser=False, by_instrument=False),
    )


def remember(player_id: PlayerId) -> int:
    """Before a player's name is erased: digests by which they are recognised, if they are in the
    register. In the caller's transaction; returns how many.
    """
    person = known(player_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM compliance_register_entry WHERE player_id = %s)",
            [player_id],
        )
        is_entered = bool(cursor.fetchone()[0])
    return digests.keep(player_id, person) if is_entered and person is not None else 0


def excluded_among(player_ids: Collection[PlayerId]) -> set[PlayerId]:
    """Those of ``player_ids`` whose exclusion is in force."""
    if not player_ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT s.player_id FROM compliance_standing s WHERE {_IN_FORCE}"  # noqa: S608  (fixed)
            " AND s.player_id = ANY (%s)",
            [[int(one) for one in player_ids]],
        )
        return {PlayerId(row[0]) for row in cursor.fetchall()}


def others_like(player_id: PlayerId) -> list[Somebody]:
    """Accounts that are open and are this player's, or alike; the same ones first.

    Excluded ones too: theirs may end sooner. People of one household share a browser, so for
    accounts that are there already a browser with nothing else in common says nothing.
    """
    found = known(player_id)
    if found is None:
        return []
    return [
        one
        for one in _compared(_OTHERS_SQL, found, (), player_id)
        if one.likeness.score or one.likeness.birth is not Birth.OTHER or one.likeness.by_instrument
    ]


def not_excluded_with(player_id: PlayerId, others: Collection[PlayerId]) -> set[PlayerId]:
    """Those of ``others`` whose exclusion is not merely the consequence of ``player_id``'s.

    It is where the house's comparing alone ever began it, and never before that of ``player_id``.
    """
    if not others:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT o.id FROM unnest(%(others)s::bigint[]) AS o (id)"
            " WHERE NOT EXISTS (SELECT FROM compliance_register_entry e WHERE e.player_id = o.id)"
            " OR EXISTS (SELECT FROM compliance_register_entry e WHERE e.player_id = o.id"
            "  AND (e.by_actor <> 'system:own_register' OR e.since <= (SELECT min(since)"
            "   FROM compliance_register_entry WHERE player_id = %(self)s)))",
            {"others": [int(one) for one in others], "self": player_id},
        )
        return {PlayerId(row[0]) for row in cursor.fetchall()}


def known(player_id: PlayerId) -> Known | None:
    """Names and birth of a player; None for nobody."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT u.name, p.date_of_birth FROM accounts_player p"
            " JOIN accounts_user u ON u.id = p.user_id WHERE p.user_id = %s",
            [player_id],
        )
        row = cursor.fetchone()
    return None if row is None else Known(_names(player_id, row[0]), row[1])


def _compared(
    sql: str, person: Known, browsers: Collection[str], besides: PlayerId
) -> list[Somebody]:
    born = person.born
    with connection.cursor() as cursor:
        cursor.execute(
            sql,
            {
                "born": born,
                "year": born.year,
                "month": born.month,
                "day": born.day,
                "browsers": array_of_texts(browsers),
                "self": besides,
            },
        )
        rows = cursor.fetchall()
    found = []
    for player_id, name, their_born, by_browser, by_instrument in rows:
        other = Known(_names(PlayerId(player_id), name), their_born)
        likeness = judge(person, other, by_browser=by_browser, by_instrument=by_instrument)
        if likeness is not None:
            found.append(Somebody(PlayerId(player_id), likeness))
    return sorted(found, key=lambda one: (not one.is_same, -one.likeness.score))


def _names(player_id: PlayerId, account: str) -> tuple[Name, ...]:
    """The name on the account and the one declared for the identity check, once each."""
    fields, _ = declarations.latest(player_id, Subject.IDENTITY)
    written = {normal(name): None for name in (account, fields.get(NAME, ""))}
    return tuple(name for name in written if name)

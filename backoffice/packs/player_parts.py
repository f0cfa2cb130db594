"""What an evidence pack says of one player: nothing of anybody else, and no picture of a paper.

Never in it: passwords, keys and codes, what is kept encrypted (documents, what the player declared,
the text of a report to an authority), and numbers of other players, also where two were compared.
What may not be told to the player is in it for whoever may read it (`HIDDEN`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from backoffice.packs import hidden_acts, player_hidden, player_money
from backoffice.packs.writing import Basis, Part, Table, asked
from compliance import exclusion

_WHO: Final = """
SELECT p.user_id, u.email, u.name, p.date_of_birth, p.country, p.currency, p.is_test, p.created_at,
    p.terms_version, p.terms_accepted_at, u.is_active
FROM accounts_player p JOIN accounts_user u ON u.id = p.user_id WHERE p.user_id = %(player)s
"""
_STANDING: Final = """
SELECT status, jurisdiction, policy, currency, of_age_on, age_verified, identity_verified,
    verify_by, documents_overdue, excluded_at, excluded_until, exclusion_holds, cool_off_until,
    play_since, play_seen_at, check_due_at, check_every_s, limits_answered_at, created_at
FROM compliance_standing WHERE player_id = %(player)s
"""
_LIMITS: Final = """
SELECT kind, period, currency, amount_minor, set_at, pending_minor, pending_at, needs_confirmation
FROM compliance_limit WHERE player_id = %(player)s ORDER BY kind, period, currency
"""
_LIMIT_CHANGES: Final = """
SELECT at, act, kind, period, currency, before_minor, wanted_minor, effective_at, actor, policy
FROM compliance_limitchange WHERE player_id = %(player)s AND at <= %(as_of)s ORDER BY at, id
"""
#: The gate itself keeps the ground of an order about a player to itself.
_GATE: Final = """
SELECT at, purpose, allowed, code, amount_minor, currency, policy, facts, ref
FROM compliance_gatedecision WHERE player_id = %(player)s AND at <= %(as_of)s ORDER BY at, id
"""
_OF_KIND: Final = """
SELECT at, kind, actor_kind || ':' || actor_id, before, after, reason
FROM audit_event WHERE subject_kind IN ('player', 'user') AND subject_id = %(subject)s
    AND kind = ANY(%(kinds)s) AND at <= %(as_of)s ORDER BY at, id
"""
_SESSIONS: Final = """
SELECT started_at, ended_at FROM compliance_playsession
WHERE player_id = %(player)s AND ended_at <= %(as_of)s ORDER BY started_at, id
"""
_IDENTITY: Final = """
SELECT subject, state, awaits, attempt, due_at, expires_on, policy, changed_at
FROM compliance_kyc_check WHERE player_id = %(player)s ORDER BY subject
"""
_IDENTITY_STEPS: Final = """
SELECT at, subject, from_state, to_state, cause, actor_kind || ':' || actor_id, reason, text,
    due_at, expires_on, policy
FROM compliance_kyc_transition WHERE player_id = %(player)s AND at <= %(as_of)s ORDER BY at, id
"""
_IDENTITY_REVIEWS: Final = """
SELECT first_at, subject, verdict, reason, note, expires_on, four_eyes, outcome,
    'staff:' || first_by, 'staff:' || second_by, second_at, second_note, policy
FROM compliance_kyc_review WHERE player_id = %(player)s ORDER BY first_at, id
"""
_PAPERS: Final = """
SELECT at, subject, kind, media, size_bytes, jsonb_array_length(pages), sha256, scan, destroyed_at
FROM compliance_kyc_document WHERE player_id = %(player)s AND at <= %(as_of)s ORDER BY at, id
"""
_REGISTERS: Final = """
SELECT checked_at, registry, purpose, outcome, reference, valid_until, policy
FROM compliance_registry_answer WHERE player_id = %(player)s AND checked_at <= %(as_of)s
ORDER BY checked_at, id
"""
_CASES: Final = """
SELECT reference, kind, state, subject, round_id, opened_by, opened_at, acknowledge_by, answer_by,
    acknowledged_at, answered_at, closed_at, outcome, policy
FROM compliance_case WHERE player_id = %(player)s AND kind <> 'suspicion' ORDER BY opened_at, id
"""
_CASE_STEPS: Final = """
SELECT c.reference, e.at, e.kind, e.actor_kind || ':' || e.actor_id, e.audience, e.text
FROM compliance_case_event e JOIN compliance_case c ON c.id = e.case_id
WHERE c.player_id = %(player)s AND c.kind <> 'suspicion' AND e.audience <> 'confidential'
    AND e.at <= %(as_of)s ORDER BY e.at, e.id
"""
_NOTICES: Final = """
SELECT n.created_at, n.kind, n.context, n.read_at, (SELECT string_agg(d.channel || ' ' || d.state,
    ', ' ORDER BY d.channel) FROM notices_delivery d WHERE d.notice_id = n.id)
FROM notices_notice n WHERE n.person_id = %(player)s AND n.created_at <= %(as_of)s
ORDER BY n.created_at, n.id
"""
_CONSENTS: Final = """
SELECT channel, given_at, withdrawn_at FROM notices_consent WHERE person_id = %(player)s
ORDER BY given_at, id
"""
_NOTES: Final = """
SELECT at, author, audience, text FROM backoffice_playernote
WHERE player_id = %(player)s AND at <= %(as_of)s
    AND (audience <> 'compliance' OR %(confidential)s) ORDER BY at, id
"""
#: What says of a likeness names the other account, in facts or in an officer's words: that it was
#: decided is enough here.
_RECORD: Final = f"""
SELECT at, kind, actor_kind || ':' || actor_id, component,
    CASE WHEN kind NOT LIKE 'register.%%' THEN before END,
    CASE WHEN kind NOT LIKE 'register.%%' THEN after END,
    CASE WHEN kind NOT LIKE 'register.%%' THEN ({hidden_acts.REASON}) END, id
FROM audit_event WHERE at <= %(as_of)s AND {hidden_acts.MAY_KNOW}
    AND (subject_kind IN ('player', 'user') AND subject_id = %(subject)s
    OR actor_kind = 'player' AND actor_id = %(subject)s) ORDER BY at, id
"""  # noqa: S608  (fixed words)

BREAKS: Final = (
    exclusion.COOLING_OFF,
    exclusion.SELF_EXCLUDED,
    exclusion.OFFICER_EXCLUDED,
    exclusion.SAME_PERSON,
    exclusion.ASKED_TO_RETURN,
)
_CHECKS: Final = ("play.check_looked_at", "play.check_interval_chosen")
_EVENT: Final = (
    ("at", "when"),
    ("what", "kind of event"),
    ("by", "who did it"),
    ("before", "what stood before, as JSON"),
    ("after", "what stands after, as JSON"),
    ("reason", "why, as it was written"),
)


def parts(player_id: int, as_of: datetime, *, hidden: bool, confidential: bool) -> Iterator[Part]:
    """Every file of a player's pack; inside a snapshot."""
    of: dict[str, Any] = {
        "player": player_id,
        "subject": str(player_id),
        "owner": f"player:{player_id}",
        "as_of": as_of,
        "confidential": confidential,
    }
    of |= hidden_acts.params(hidden=hidden)
    yield from _person(of)
    yield from player_money.parts(of)
    yield from _protection(of)
    yield from _identity(of)
    yield from _contacts(of)
    if hidden:
        yield from player_hidden.parts(of)
    yield from _record(of)
    yield from player_money.seals(of)


def _person(of: dict[str, Any]) -> Iterator[Table]:
    yield asked(
        "player.csv", "Who it is.",
        (("player", "number"), ("email", "address for sign-in"), ("name", "as it is known"),
         ("date_of_birth", "as declared or verified"), ("country", "of residence"),
         ("currency", "of the account"), ("is_test", "whether a test account, in no figure"),
         ("opened_at", "account opened"), ("terms_version", "accepted terms"),
         ("terms_accepted_at", "when"), ("is_active", "whether they may sign in")),
        _WHO, of, Basis.STORED,
    )  # fmt: skip
    yield asked(
        "standing.csv", "What the gate knows of the player.",
        (("status", "of the account"), ("jurisdiction", "whose profile binds"),
         ("policy", "version accepted at sign-up"), ("currency", "of limits"),
         ("of_age_on", "first day of age"), ("age_verified", "by papers"),
         ("identity_verified", "by papers"), ("verify_by", "play is refused after it, unverified"),
         ("documents_overdue", "an officer asked and nothing came"),
         ("excluded_at", "exclusion began"), ("excluded_until", "at least"),
         ("exclusion_holds", "until they ask to return"), ("cool_off_until", "break"),
         ("play_since", "session of play began"), ("play_seen_at", "last act in it"),
         ("check_due_at", "next reality check"), ("check_every_s", "seconds between checks"),
         ("limits_answered_at", "asked about limits, answered"), ("since", "row made")),
        _STANDING, of, Basis.STORED,
    )  # fmt: skip


def _protection(of: dict[str, Any]) -> Iterator[Table]:
    yield asked(
        "limits.csv", "Limits as they stand.",
        (("kind", "what is limited"), ("period", "per"), ("currency", "empty for time"),
         ("amount_minor", "the limit; seconds for time"), ("set_at", "since"),
         ("pending_minor", "asked for, not in force"), ("pending_at", "from when it could be"),
         ("needs_confirmation", "waits for the player")),
        _LIMITS, of, Basis.STORED,
    )  # fmt: skip
    yield asked(
        "limit_changes.csv", "Every change of a limit.",
        (("at", "when"), ("act", "what was done"), ("kind", "of limit"), ("period", "per"),
         ("currency", "empty for time"), ("before_minor", "limit before"),
         ("wanted_minor", "limit asked for"), ("effective_at", "in force from"),
         ("by", "who"), ("policy", "version that judged")),
        _LIMIT_CHANGES, of,
    )  # fmt: skip
    yield asked(
        "gate_decisions.csv", "What the gate decided and kept, with code and policy.",
        (("at", "when"), ("purpose", "asked for"), ("allowed", "the answer"),
         ("code", "of a refusal"), ("amount_minor", "asked for"), ("currency", "of it"),
         ("policy", "version that judged"), ("facts", "what it judged by, as JSON"),
         ("ref", "bet, payment or question it answered")),
        _GATE, of,
    )  # fmt: skip
    yield asked("exclusions.csv", "Breaks, exclusions, and wishes to return.", _EVENT, _OF_KIND,
                of | {"kinds": list(BREAKS)})  # fmt: skip
    yield asked("play_sessions.csv", "Sessions of play that ended.",
                (("started_at", "first act"), ("ended_at", "last act")), _SESSIONS, of,
                Basis.STORED)  # fmt: skip
    yield asked("reality_checks.csv", "Reality checks looked at, and the interval chosen.", _EVENT,
                _OF_KIND, of | {"kinds": list(_CHECKS)})  # fmt: skip
    yield asked(
        "registers.csv", "Answers of national registers of excluded people.",
        (("checked_at", "when"), ("registry", "asked"), ("purpose", "for"), ("outcome", "answer"),
         ("reference", "the register's own"), ("valid_until", "asked again after"),
         ("policy", "version that demanded it")),
        _REGISTERS, of,
    )  # fmt: skip


def _identity(of: dict[str, Any]) -> Iterator[Table]:
    yield asked(
        "identity_checks.csv", "Checks of identity, age, address and funds as they stand.",
        (("subject", "of the check"), ("state", "where it is"), ("awaits", "whose turn"),
         ("attempt", "number"), ("due_at", "next step due"), ("expires_on", "last day it counts"),
         ("policy", "version"), ("changed_at", "last move")),
        _IDENTITY, of, Basis.STORED,
    )  # fmt: skip
    yield asked(
        "identity_steps.csv", "Every move of these checks.",
        (("at", "when"), ("subject", "of the check"), ("from", "state"), ("to", "state"),
         ("cause", "what moved it"), ("by", "who"), ("reason", "code"),
         ("text", "as the player was told"), ("due_at", "next step due"),
         ("expires_on", "last day it counts"), ("policy", "version")),
        _IDENTITY_STEPS, of,
    )  # fmt: skip
    yield asked(
        "identity_decisions.csv", "What officers decided, and who agreed.",
        (("at", "when"), ("subject", "of the check"), ("verdict", "proposed"), ("reason", "code"),
         ("note", "of the first officer"), ("expires_on", "last day it counts"),
         ("four_eyes", "took two"), ("outcome", "of it"), ("first_by", "officer"),
         ("second_by", "officer"), ("second_at", "when"), ("second_note", "of the second"),
         ("policy", "version")),
        _IDENTITY_REVIEWS, of, Basis.STORED,
    )  # fmt: skip
    yield asked(
        "papers.csv", "Documents handed in: that they were, never what they show.",
        (("at", "when"), ("subject", "of the check"), ("kind", "of paper"), ("media", "type"),
         ("bytes", "size"), ("pages", "how many"), ("sha256", "of what was handed in"),
         ("scan", "virus scanner"), ("destroyed_at", "made unreadable")),
        _PAPERS, of, Basis.STORED,
    )  # fmt: skip


def _contacts(of: dict[str, Any]) -> Iterator[Table]:
    yield asked(
        "cases.csv", "Complaints and disputes.",
        (("reference", "of the case"), ("kind", "of case"), ("state", "where it is"),
         ("subject", "in the player's words"), ("round", "disputed"), ("opened_by", "who"),
         ("opened_at", "when"), ("acknowledge_by", "due"), ("answer_by", "due"),
         ("acknowledged_at", "when"), ("answered_at", "when"), ("closed_at", "when"),
         ("outcome", "of it"), ("policy", "version")),
        _CASES, of, Basis.STORED,
    )  # fmt: skip
    yield asked(
        "case_steps.csv", "What was written and done in them.",
        (("reference", "of the case"), ("at", "when"), ("what", "kind"), ("by", "who"),
         ("audience", "who reads it"), ("text", "as written")),
        _CASE_STEPS, of,
    )  # fmt: skip
    yield asked(
        "notices.csv", "What the player was told.",
        (("at", "when"), ("kind", "of notice"), ("facts", "in it, as JSON"),
         ("read_at", "opened"), ("ways", "how, and what became of it")),
        _NOTICES, of, Basis.STORED,
    )  # fmt: skip
    yield asked("consents.csv", "Consent to marketing.",
                (("channel", "way"), ("given_at", "when"), ("withdrawn_at", "when")),
                _CONSENTS, of, Basis.STORED)  # fmt: skip
    yield asked(
        "notes.csv", "Notes of staff.",
        (("at", "when"), ("by", "who"), ("audience", "who reads it"), ("text", "as written")),
        _NOTES, of,
    )  # fmt: skip


def _record(of: dict[str, Any]) -> Iterator[Table]:
    yield asked(
        "record.csv", "The record of events about or by the player. Proofs: proofs/audit.jsonl.",
        (("at", "when"), ("what", "kind of event"), ("by", "who"), ("component", "of the house"),
         ("before", "as JSON"), ("after", "as JSON"), ("reason", "why"), ("id", "of the event")),
        _RECORD, of,
    )  # fmt: skip

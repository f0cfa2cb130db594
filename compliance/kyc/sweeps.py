"""What happens to checks by themselves: begun, scanned again, looked at, reminded of, expired.

PostgreSQL's rows are the queue: each sweep finds what is due, does one thing per transaction, and
a lost or doubled run changes nothing. Nothing is asked over a network inside a transaction, and
what asks over a network (`look`, `scan_again`) is a task apart from what keeps times (`sweep`): a
silent scanner or provider ends its own run, and one thing that cannot be read takes no other along.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, TypeVar

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from accounts import players
from accounts.models import User
from audit.database_clock import database_now
from audit.locks import only_one
from audit.record import Subject as Whom
from audit.record import record, register
from compliance.kyc import checks, declarations, faces, opening, receiving, scanning, vault
from compliance.kyc.checks import Account, Finding
from compliance.kyc.models import KycCheck, KycDocument
from compliance.kyc.moves import (
    Step,
    checks_of,
    ensure_checks,
    is_told_of,
    local_day,
    move,
    policy_of,
)
from compliance.kyc.reminders import alarm, remind
from compliance.kyc.scanning import Verdict
from compliance.kyc.states import SERVED_BY, Kind, State, Subject, form_of
from compliance.models import Standing
from compliance.standing import StandingNow, lock_standing
from kernel.ids import Actor, PlayerId

logger = logging.getLogger(__name__)
_T = TypeVar("_T")

HOUSE: Final = Actor.system("kyc")
BATCH: Final = 100
#: Between two tries of the scanner.
RESCAN_AFTER_S: Final = 60
#: How long a run may begin new questions over the network: the worker has other work to do.
BUDGET_S: Final = 20
#: One run of looking at documents at a time.
LOOK_LOCK: Final = 6_000_010
INFECTED: Final = register("kyc.document_infected", "Uploaded document is infected; destroyed")
FORGOTTEN: Final = register("kyc.document_forgotten", "Document destroyed with its player's key")


def sweep() -> None:
    """Everything that time brings. Scheduled every 10 s; asks nobody over a network."""
    for part in (begin_checks, expire, remind, alarm, forget):
        try:
            part()
        except Exception:  # expiry must come whatever the part before it met
            logger.exception("sweep of identity checks: %s failed", part.__name__)


def _each(items: Iterable[_T], act: Callable[[_T], bool], what: str) -> int:
    """How many of ``items`` were acted on; one that fails is logged, and the others go on."""
    done = 0
    for item in items:
        try:
            done += act(item)
        except Exception:  # one player's broken row holds up nobody else's
            logger.exception("identity checks: %s failed for %s", what, item)
    return done


def begin_checks() -> int:
    """A player's checks begin with the account; the time to verify in counts from its opening."""
    begun = KycCheck.objects.filter(subject=Subject.IDENTITY.value).values("player_id")
    fresh = Standing.objects.exclude(player_id__in=begun).order_by("created_at")
    rows = list(fresh.values_list("player_id", "created_at")[:BATCH])

    def begin(row: tuple[int, datetime]) -> bool:
        with transaction.atomic():
            _begin(lock_standing(PlayerId(row[0])), row[1], database_now())
        return True

    return _each(rows, begin, "beginning")


def _begin(standing: StandingNow, created_at: datetime, now: datetime) -> None:
    served = SERVED_BY[Subject.IDENTITY]
    found = ensure_checks(standing.player_id, served)
    within, profile = policy_of(standing, now).verify_within, standing.policy(now)
    due_at = standing.verify_by
    if due_at is None and within is not None:  # an account from before its policy asked
        due_at = created_at + within
        Standing.objects.filter(pk=standing.player_id).update(verify_by=due_at)
    if due_at is None and not (profile.verified_before_play or profile.verified_before_withdrawal):
        return
    for subject in served:
        if found[subject].state == State.NONE and not _is_verified(standing, subject):
            step = Step(State.STARTED, cause="the account was opened", actor=HOUSE, due_at=due_at)
            move(standing, found[subject], step, now)


def _is_verified(standing: StandingNow, subject: Subject) -> bool:
    return standing.age_verified if subject is Subject.AGE else standing.identity_verified


def scan_again(budget_s: float = BUDGET_S) -> int:
    """Ask the scanner about quarantined files once more; what it finds infected is destroyed.

    Scheduled every 60 s. Each file is claimed before it is asked about, so two runs never ask
    twice, and one that cannot be read waits its minute like any other. Ends at the first silence.
    """
    until, asked, is_silent = time.monotonic() + budget_s, 0, False
    while not is_silent and time.monotonic() < until:
        document = _claim()
        if document is None:
            break
        asked += 1
        try:
            is_silent = _ask_again(document)
        except Exception:  # its try is written down: the next file comes, this one later again
            logger.exception("scanning the document %s again failed", document.id)
    return asked


def _claim() -> KycDocument | None:
    """The file that waits longest, its try written down first."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_kyc_document SET scan_tries = scan_tries + 1,"
            " scanned_at = clock_timestamp() WHERE id = (SELECT id FROM compliance_kyc_document"
            "  WHERE scan = 'unknown' AND destroyed_at IS NULL"
            "   AND scanned_at < clock_timestamp() - make_interval(secs => %s)"
            "  ORDER BY scanned_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id",
            [RESCAN_AFTER_S],
        )
        row = cursor.fetchone()
    return None if row is None else KycDocument.objects.get(pk=row[0])


def _ask_again(document: KycDocument) -> bool:
    """Whether the scanner was silent."""
    content = b"".join(vault.get(opening.key_of(document), vault.ORIGINAL))
    scan = scanning.scanner().scan(content)
    with transaction.atomic():
        standing = lock_standing(PlayerId(document.player_id))
        _judge(standing, document, scan, database_now())
    if scan.verdict is not Verdict.UNKNOWN:
        vault.drop(document.id, vault.ORIGINAL)
    if scan.verdict is Verdict.INFECTED:
        _drop_pages(document)
    return scan.is_silence


def _judge(
    standing: StandingNow, document: KycDocument, scan: scanning.Scan, now: datetime
) -> None:
    is_infected = scan.verdict is Verdict.INFECTED
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_kyc_document SET scan = %s, scan_detail = %s,"
            " is_original_kept = is_original_kept AND %s,"
            " wrapped_key = CASE WHEN %s THEN NULL ELSE wrapped_key END"
            " WHERE id = %s AND scan = 'unknown'",
            [
                scan.verdict.value,
                scan.detail[:300],
                scan.verdict is Verdict.UNKNOWN,
                is_infected,
                document.id,
            ],
        )
    if not is_infected:
        return
    _destroyed(INFECTED, document)
    for subject in SERVED_BY[Subject(document.subject)]:
        check = checks_of(standing.player_id)[subject]
        if check.state == State.DOCUMENTS:
            step = Step(
                State.STARTED,
                cause="a file was infected",
                actor=HOUSE,
                due_at=now + policy_of(standing, now).resubmit_within,
                reason="infected",
                news="infected" if is_told_of(check) else "",
            )
            move(standing, check, step, now)


def look_at_documents(budget_s: float = BUDGET_S) -> int:
    """The automatic checks of what was handed in; then an officer's turn, with a due time.

    Scheduled every 10 s; does nothing while another run is under way, which asks about the same
    faces. Ends with its time, or at the first silence of the face provider: that form goes to an
    officer without an answer, the others wait for the next run.
    """
    with only_one(LOOK_LOCK) as is_alone:
        return _look_at_all(time.monotonic() + budget_s) if is_alone else 0


def _look_at_all(until: float) -> int:
    looked = 0
    for player_id, form in _ready():
        if time.monotonic() >= until:
            break
        looked += 1
        try:
            face = _look(player_id, form)
        except Exception:  # one player's broken file holds up nobody else's
            logger.exception("looking at %s of player %s failed", form, player_id)
            continue
        if face is faces.FaceVerdict.UNKNOWN:
            break
    return looked


def _ready() -> list[tuple[PlayerId, Subject]]:
    """Forms handed in of whose files the scanner owes no answer."""
    found: list[tuple[PlayerId, Subject]] = []
    for check in KycCheck.objects.filter(state=State.DOCUMENTS.value).order_by("changed_at"):
        player_id, form = PlayerId(check.player_id), form_of(Subject(check.subject))
        if (player_id, form) in found:
            continue
        files = KycDocument.objects.filter(
            player_id=player_id, subject=form.value, attempt=checks_of(player_id)[form].attempt
        )
        if not files.filter(scan=Verdict.UNKNOWN.value).exists():
            found.append((player_id, form))
        if len(found) == BATCH:
            break
    return found


def _look(player_id: PlayerId, form: Subject) -> faces.FaceVerdict:
    attempt = checks_of(player_id)[form].attempt
    rows = KycDocument.objects.filter(
        player_id=player_id, subject=form.value, attempt=attempt, destroyed_at__isnull=True
    )
    files = list(rows)
    face = _face(files) if form is Subject.IDENTITY else faces.FaceVerdict.NONE
    known = receiving.is_known_elsewhere(player_id, [one.sha256 for one in files])
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        declared, _ = declarations.latest(player_id, form, attempt)
        common = checks.files([one.scan for one in files], is_known=known)
        for subject in SERVED_BY[form]:
            check = checks_of(player_id)[subject]
            if check.state != State.DOCUMENTS:
                continue
            seen = [*_findings(standing, subject, declared, face, now), *common]
            data = {"findings": {one.code: one.outcome.value for one in seen}}
            check = move(
                standing,
                check,
                Step(State.AUTO_CHECKED, cause="the house looked", actor=HOUSE, data=data),
                now,
            )
            due_at = now + policy_of(standing, now).review_within
            step = Step(State.REVIEW, cause="an officer decides", actor=HOUSE, due_at=due_at)
            move(standing, check, step, now)
    return face


def _face(files: list[KycDocument]) -> faces.FaceVerdict:
    """The provider's answer about front and selfie; nothing is read where nobody is asked."""
    if not settings.FARO_FACE_PROVIDER:
        return faces.FaceVerdict.NONE
    pictures = {
        one.kind: one
        for one in files
        if one.kind in {Kind.FRONT, Kind.SELFIE} and opening.is_open(one)
    }
    if len(pictures) < 2:
        return faces.FaceVerdict.NONE
    front, selfie = (
        b"".join(vault.get(opening.key_of(pictures[kind]), 1)) for kind in (Kind.FRONT, Kind.SELFIE)
    )
    return faces.ask(faces.FaceQuestion(pictures[Kind.SELFIE].id, front, selfie))


def _findings(
    standing: StandingNow,
    subject: Subject,
    declared: dict[str, str],
    face: faces.FaceVerdict,
    now: datetime,
) -> list[Finding]:
    today = local_day(standing, now)
    if subject is Subject.ADDRESS:
        return checks.address(declared, policy_of(standing, now).address_not_older, today)
    if subject is Subject.FUNDS:
        return []
    account = account_of(standing, now)
    if subject is Subject.AGE:
        return checks.age(account, declared, today)
    return checks.identity(account, declared, face, today)


def account_of(standing: StandingNow, now: datetime) -> Account:
    """What the account says of its player, for comparison."""
    info = players.info(standing.player_id)
    name = User.objects.values_list("name", flat=True).get(pk=standing.player_id)
    return Account(name, info.date_of_birth, standing.policy(now).minimum_age)


def expire() -> int:
    """What the player's time, or a document's, is over for."""
    now = database_now()
    late = Q(state=State.STARTED.value, due_at__lt=now)
    over = Q(state=State.VERIFIED.value, expires_on__lte=now.date())
    rows = list(KycCheck.objects.filter(late | over).order_by("changed_at")[:BATCH])

    def act(found: KycCheck) -> bool:
        with transaction.atomic():
            standing = lock_standing(PlayerId(found.player_id))
            check = KycCheck.objects.get(pk=found.pk)
            return _expire(standing, check, database_now())

    return _each(rows, act, "expiry")


def _expire(standing: StandingNow, check: KycCheck, now: datetime) -> bool:
    """Judged again under the lock, by the player's local day: a document counts on its last one."""
    is_late = check.state == State.STARTED and check.due_at is not None and check.due_at < now
    today = local_day(standing, now)
    is_over = (
        check.state == State.VERIFIED and check.expires_on is not None and check.expires_on < today
    )
    if not (is_late or is_over):
        return False
    step = Step(
        State.EXPIRED,
        cause="the time to answer is over" if is_late else "it counts no longer",
        actor=HOUSE,
        news=("overdue" if is_late else "expired") if is_told_of(check) else "",
    )
    move(standing, check, step, now)
    return True


def forget() -> int:
    """Delete the bytes of documents whose player was erased: nobody can read them any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.id FROM compliance_kyc_document d"
            " JOIN audit_person_key k ON k.id = d.person_key"
            " WHERE d.destroyed_at IS NULL AND k.wrapped IS NULL LIMIT %s",
            [BATCH],
        )
        ids = [row[0] for row in cursor.fetchall()]
    return _each(KycDocument.objects.filter(pk__in=ids), _forget, "forgetting")


def _forget(document: KycDocument) -> bool:
    """The bytes go first: a run that dies in between finds the row again."""
    for part in range(len(document.pages) + 1):
        vault.drop(document.id, part)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_kyc_document SET wrapped_key = NULL, is_original_kept = false"
            " WHERE id = %s AND destroyed_at IS NULL",
            [document.id],
        )
        if cursor.rowcount == 1:
            _destroyed(FORGOTTEN, document)
    return True


def _destroyed(kind: str, document: KycDocument) -> None:
    record(
        kind,
        actor=HOUSE,
        subject=Whom("player", str(document.player_id)),
        component="compliance",
        after={"document": str(document.id), "kind": document.kind},
    )


def _drop_pages(document: KycDocument) -> None:
    for page in range(1, len(document.pages) + 1):
        vault.drop(document.id, page)

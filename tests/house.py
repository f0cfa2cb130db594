"""Building blocks for tests: people with money, tables with devices, sightings, whole rounds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from django.db import connection, transaction

from accounts.roles import Role
from accounts.staff import create_staff
from audit.database_clock import database_now
from casino import demo_settings
from compliance import facts, gate, limits
from compliance.jurisdictions import profile, sign_offs, versions
from compliance.jurisdictions.shape import CheckPoint
from compliance.models import Standing
from compliance.registries import checking
from compliance.registries.protocol import Answer, Outcome
from compliance.sign_up import register_player
from compliance.standing import lock_standing
from kernel.clock import epoch_ms
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from ledger import accounts
from ledger.posting import post
from ledger.postings import Transfer, TransferKind
from studio.protocol.heartbeat import Heartbeat, sign_heartbeat
from studio.protocol.messages import Observation, ObservationKind
from studio.protocol.signatures import KeyPair, Signed, generate_key, sign
from tables.changes.models import ChangeKind
from tables.floor_plan import enrol_device, set_up_table
from tables.locks import Lease
from tables.models import Round, Table
from tables.opening import inspections, published_rules
from tables.play import suspension
from tables.play.lease import acquire
from tables.play.rounds import advance
from tables.play.sightings import take_report
from tables.presenters import presenters, shifts
from tables.rules import roulette

TESTER = Actor.system("test")
_people = itertools.count(1)
#: What a presenter needs to open a round.
PAPERS = ("licence", "training", "game")
#: RFC 6238 appendix B, as in staff_steps.
TOTP_KEY = "3132333435363738393031323334353637383930"


def player(*, balance_minor: int = 0, currency: str = "EUR", country: str = "MT") -> PlayerId:
    """A registered adult with ``balance_minor`` in their account, come by through the gate.

    Asked about limits they said that they want none.
    """
    player_id = register_player(
        email=f"player{next(_people)}-{new_id().hex[:8]}@example.test",
        password="correct horse battery staple",
        date_of_birth=date(1990, 2, 28),
        country=country,
        currency=currency,
        actor=TESTER,
    )
    Standing.objects.filter(pk=player_id).update(limits_answered_at=database_now())
    if balance_minor:
        fund(player_id, balance_minor, currency)
    return player_id


def sign_off(*codes: str) -> None:
    """Two officers sign off every version of each profile, as they do at their desk.

    A test asks at any instant: a version that comes later would stop it.
    """
    one, two = (
        Actor.staff(
            create_staff(
                email=f"officer{next(_people)}-{new_id().hex[:8]}@example.test",
                password="correct horse battery staple",
                role=Role.COMPLIANCE,
                totp_key_hex=TOTP_KEY,
            )
        )
        for _ in range(2)
    )
    for found in (version for code in codes for version in versions(code)):
        words = {"digest": found.digest, "reason": "a test"}
        if not found.ready and not sign_offs.is_active(found):
            sign_offs.propose(found.policy, **words, actor=one)
            sign_offs.sign(found.policy, **words, actor=two)


def fund(player_id: PlayerId, minor: int, currency: str = "EUR") -> None:
    """A deposit as the cashier books it: gate, permit, ledger, fact."""
    with transaction.atomic():
        now = database_now()
        amount = Money(minor, currency)
        ref = new_id()
        (decision,) = gate.decide(
            [gate.GateRequest(ref, player_id, gate.Purpose.DEPOSIT, amount, ())], now=now
        )
        assert decision.allowed, decision
        post(
            key=f"test-deposit:{new_id()}",
            kind="deposit",
            actor=TESTER,
            transfers=[
                Transfer(
                    id=new_id(),
                    debit=accounts.psp_clearing("test", currency),
                    credit=accounts.player_cash(player_id, currency),
                    amount_minor=minor,
                    kind=TransferKind.DEPOSIT,
                    ref="test",
                    permit=decision.permit,
                )
            ],
        )
        facts.record([facts.Fact(player_id, facts.FactKind.DEPOSITED, amount, now)])
        limits.release(ref)


def register_says_clear(player_id: PlayerId) -> None:
    """The national register of the player's profile said that they may play."""
    with transaction.atomic():
        policy = lock_standing(player_id).policy(database_now())
        checking.keep(player_id, policy, CheckPoint.LOGIN, Answer(Outcome.CLEAR))


def admitted_for_ever(player_id: PlayerId) -> None:
    """Neither register nor place is in the way, at whatever instant a test asks for."""
    policy = Standing.objects.get(pk=player_id).jurisdiction
    registry = profile(policy, database_now().date()).registry
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_admission (player_id, registry, registry_outcome,"
            " registry_valid_until, place, place_outcome, place_valid_until)"
            " VALUES (%s, %s, 'clear', '2200-01-01', 'here', 'allowed', '2200-01-01')",
            [player_id, registry],
        )


def balance(player_id: PlayerId, currency: str = "EUR") -> int:
    return accounts.balance(accounts.player_cash(player_id, currency)).posted_minor


@dataclass
class Pit:
    """A table with an enrolled wheel and keypad, and the means to report in their name."""

    table: Table
    keys: dict[str, KeyPair] = field(default_factory=dict)
    seqs: dict[str, itertools.count] = field(default_factory=dict)
    lease: Lease | None = None
    #: Who is on shift; None where a test wants nobody there.
    presenter: int | None = None

    def device(self, kind: str) -> str:
        return f"{self.table.id}-{kind}"

    def observation(self, device: str, kind: ObservationKind, **data) -> Observation:
        return Observation(
            device=self.device(device),
            table=self.table.id,
            seq=next(self.seqs[device]),
            kind=kind,
            captured_at_ms=epoch_ms(database_now()),
            data=data,
        )

    def signed(self, device: str, observation: Observation):
        key = self.keys[device]
        return sign(observation, key.private_b64, f"{self.device(device)}-k1")

    def report(self, device: str, kind: ObservationKind, **data) -> dict[str, int]:
        """One signed observation, stored as if a controller had sent it."""
        return take_report(
            self.table.id,
            [self.signed(device, self.observation(device, kind, **data))],
            self.alive(),
        )

    def alive(self, *devices: str, at_ms: int | None = None) -> list[Signed]:
        """Heartbeats of all devices, or of those named; as of now, or of ``at_ms``."""
        at_ms = epoch_ms(database_now()) if at_ms is None else at_ms
        return [
            sign_heartbeat(
                Heartbeat(self.device(kind), self.table.id, at_ms),
                self.keys[kind].private_b64,
                f"{self.device(kind)}-k1",
            )
            for kind in devices or self.keys
        ]

    def heartbeat(self) -> None:
        take_report(self.table.id, [], self.alive())

    def wheel_state(self, state: int, *, spin: int = 1, flags: int = 0) -> None:
        self.report(
            "wheel",
            ObservationKind.WHEEL_STATE,
            state=state,
            spin=spin,
            rpm_tenths=170,
            direction=0,
            flags=flags,
        )

    def confirm(self, number: int) -> None:
        self.report("keypad", ObservationKind.PRESENTER_CONFIRM, number=number)

    def result(self, number: int, *, spin: int = 1) -> None:
        self.wheel_state(5, spin=spin)
        self.report("wheel", ObservationKind.RESULT, number=number, spin=spin)

    def step(self) -> None:
        """Every move that is due now."""
        self.lease = self.lease or acquire(self.table.id, "test")
        assert self.lease is not None
        self.heartbeat()
        for _ in range(20):
            if advance(self.lease) is not None:
                return
        raise AssertionError("the round never came to rest")

    def round(self) -> Round:
        return Round.objects.filter(table=self.table).order_by("-number")[0]

    def open_round(self) -> Round:
        self.wheel_state(2)
        self.step()
        return self.round()

    def close_betting(self) -> None:
        """The ball passes "no more bets": the hard backstop closes betting at once."""
        self.wheel_state(3)
        self.wheel_state(4)
        self.step()

    def play(self, number: int) -> Round:
        """From an open round to a settled one. (The next round may open at once.)"""
        playing = self.round()
        self.close_betting()
        self.result(number)
        self.confirm(number)
        self.step()
        playing.refresh_from_db()
        return playing


def presenter(*, game: str = "roulette", papers: tuple[str, ...] = PAPERS, days: int = 30) -> int:
    """A presenter who holds ``papers`` for so many days from now."""
    person = create_staff(
        email=f"presenter{next(_people)}-{new_id().hex[:8]}@example.test",
        password="correct horse battery staple",
        role=Role.PRESENTER,
        totp_key_hex=TOTP_KEY,
    )
    for kind in papers:
        authorise(person, kind, game=game, days=days)
    return person


def authorise(person: int, kind: str, *, game: str = "roulette", days: int = 30):
    """One more paper of a presenter, valid since yesterday, for ``days`` from now."""
    now = database_now()
    wanted = presenters.Wanted(
        kind=kind,
        game="" if kind == "licence" else game,
        number=f"P-{person}",
        valid_from=now - timedelta(days=1),
        valid_until=now + timedelta(days=days),
    )
    return presenters.authorise(person, wanted, actor=TESTER)


def equip(table_id: str) -> None:
    """A wheel, a ball and a layout in service at the table."""
    for kind in ("wheel", "ball", "table"):
        inspections.register(table_id, kind=kind, serial=f"{table_id}-{kind}-1", actor=TESTER)


def inspect(table_id: str, *, not_ok: str = "", note: str = "seen"):
    """An inspection of everything in service; the check ``not_ok`` has failed."""
    answers = {
        (piece.id, check.code): check.code != not_ok
        for piece in inspections.in_service(table_id)
        for check in inspections.CHECKS[piece.kind]
    }
    return inspections.inspect(table_id, answers, note=note, key=new_id().hex, actor=TESTER)


def pit(
    table_id: str = "alexandria",
    *,
    currencies: tuple[str, ...] = ("EUR",),
    devices: bool | tuple[str, ...] = True,
    presented: bool = True,
    inspected: bool = True,
    published: bool = True,
    opened: bool = True,
    **fields,
) -> Pit:
    """An open table whose betting window is long: tests close it by the wheel, not by waiting.

    An authorised presenter is on shift, the table is inspected and its rules are published, unless
    a test leaves that out; ``opened`` needs the last two.
    """
    settings = {
        "name": table_id.title(),
        "ruleset": "european",
        "betting_window_ms": 600_000,
        "closing_soon_ms": 4_000,
        "intermission_ms": 0,
        "device_silence_ms": 600_000,
        "latency_bound_ms": 0,  # results show at once; tests of the lag name theirs
    } | fields
    table = set_up_table(
        Table(id=table_id, **settings),
        limits={currency: roulette.default_limits(currency) for currency in currencies},
        actor=TESTER,
    )
    made = Pit(table)
    equip(table.id)
    if inspected:
        inspect(table.id)
    if published:
        published_rules.publish(table.ruleset, actor=TESTER)
    if presented:
        made.presenter = presenter()
        shifts.sign_on(table.id, made.presenter, TESTER)
    for kind in ("wheel", "keypad") if devices is True else devices or ():
        made.keys[kind] = generate_key()
        made.seqs[kind] = itertools.count(1)
        enrol_device(
            table,
            device_id=made.device(kind),
            kind=kind,
            key_id=f"{made.device(kind)}-k1",
            public_key_b64=made.keys[kind].public_b64,
            actor=TESTER,
        )
    if opened:
        suspension.open_table(table.id, actor=TESTER)
    return made


def change(kind: ChangeKind, table_id: str = "alexandria", **after: str | int) -> None:
    """Settings of a table, moved as two people move them, also out of the bounds of their page.

    The rows alone: what the act does besides (rights, bounds, events) is left out.
    """
    demo_settings.impose(table_id, kind, after)


def pace(table_id: str = "alexandria", **after: int) -> None:
    """The table's pace, changed while it is played on."""
    change(ChangeKind.PACE, table_id, **after)


def latency(bound_ms: int, table_id: str = "alexandria") -> None:
    """The bound of the picture's delay, changed while the table is played on."""
    change(ChangeKind.LATENCY, table_id, latency_bound_ms=bound_ms)


def escrow_minor(round_id: UUID, currency: str = "EUR") -> int:
    return accounts.balance(accounts.escrow(round_id, currency)).posted_minor

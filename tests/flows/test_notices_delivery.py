"""Notices: told once, after the commit, by consent where it is advertising, and never lost."""

from __future__ import annotations

import smtplib
import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client

from accounts.models import User
from accounts.notice_kinds import NEW_SIGN_IN
from kernel.ids import Actor, PlayerId
from kernel.invariant import InvariantBroken
from notices import consent, kinds, tasks
from notices.delivery import ATTEMPTS_MAX, deliver, sweep
from notices.models import Channel, Delivery, DeliveryState, MailboxMail, Notice
from notices.send import notify
from tests.flows.accounts_steps import EMAIL, make_player, sign_in

NEWS = kinds.register("test_news", marketing=True)
FACTS = {"browser": "Phone <7>"}


@pytest.fixture
def person(database, settings, tmp_path) -> int:
    words = tmp_path / "notices" / NEWS
    words.mkdir(parents=True)
    for part in ("subject.txt", "body.txt", "body.html"):
        (words / part).write_text("News")
    templates = [settings.TEMPLATES[0] | {"DIRS": [*settings.TEMPLATES[0]["DIRS"], tmp_path]}]
    settings.TEMPLATES = templates
    settings.NOTICES_SEND = "inline"
    settings.NOTICES_MARKETING_GATE = f"{__name__}.anybody_may_be_reached"
    return make_player()


def anybody_may_be_reached(person_id: int) -> bool:
    """Stands for the gate above, which has tests of its own: consent is what is looked at here."""
    return person_id > 0


def by_email(**changes) -> Delivery:
    return Delivery.objects.get(channel=Channel.EMAIL, **changes)


def test_a_notice_is_mailed_after_the_commit_in_words_and_html_and_lies_in_the_inbox(person):
    with transaction.atomic():
        notify(person, NEW_SIGN_IN, FACTS)
        assert mail.outbox == []
    [sent] = mail.outbox
    assert sent.to == [EMAIL]
    assert sent.subject == "Signed in with a new browser"
    assert "Phone <7>" in sent.body
    html = sent.alternatives[0]
    assert html.mimetype == "text/html"
    assert "Phone &lt;7&gt;" in html.content
    delivery = by_email()
    assert (delivery.state, delivery.attempts) == (DeliveryState.SENT, 1)
    assert sent.extra_headers["Message-ID"] == f"<{delivery.id}@faro.invalid>"
    assert set(Delivery.objects.values_list("channel", "state")) == {
        ("email", "sent"),
        ("inbox", "sent"),
    }


def test_what_is_rolled_back_is_told_to_nobody(person):
    with transaction.atomic():
        notify(person, NEW_SIGN_IN, FACTS)
        transaction.set_rollback(True)
    assert mail.outbox == []
    assert Notice.objects.count() == Delivery.objects.count() == 0


def test_a_task_that_runs_twice_sends_once(person, settings):
    settings.NOTICES_SEND = "nothing"
    notice_id = _stored(person)
    delivery_id = str(by_email(notice=notice_id).id)
    tasks.deliver_notice(delivery_id)
    tasks.deliver_notice(delivery_id)
    assert sweep() == 0
    assert len(mail.outbox) == 1
    tasks.deliver_notice(str(uuid4()))  # unknown: nothing happens
    assert len(mail.outbox) == 1


def test_two_senders_at_the_same_moment_send_once(person):
    delivery_id = by_email(notice=_stored(person)).id
    gate = threading.Barrier(4)
    reached = []

    def one() -> None:
        gate.wait()
        reached.append(deliver(delivery_id))
        connection.close()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, reached)) == ["None", "None", "None", "sent"]
    assert len(mail.outbox) == 1


class BrokenServer(BaseEmailBackend):
    """A mail server that refuses everything."""

    def send_messages(self, email_messages):
        raise smtplib.SMTPServerDisconnected("anna@example.org said something private")


def test_a_failed_mail_waits_longer_each_time_and_is_given_up_visibly(person, settings):
    settings.EMAIL_BACKEND = f"{__name__}.BrokenServer"
    notify(person, NEW_SIGN_IN, FACTS)
    delivery = by_email()
    assert (delivery.state, delivery.attempts) == (DeliveryState.WAITING, 1)
    assert delivery.failure == "SMTPServerDisconnected"
    assert sweep() == 0
    assert by_email().attempts == 1  # not due yet

    for _ in range(ATTEMPTS_MAX):
        Delivery.objects.update(next_attempt_at=Now())
        sweep()
    delivery = by_email()
    assert (delivery.state, delivery.attempts) == (DeliveryState.GIVEN_UP, ATTEMPTS_MAX)


def test_the_sweep_sends_what_a_lost_hint_or_a_dead_sender_left(person, settings):
    lost, dead = _stored(person), _stored(person)
    Delivery.objects.filter(notice=dead, channel=Channel.EMAIL).update(
        state=DeliveryState.SENDING, claimed_at=Now() - timedelta(minutes=11)
    )
    busy = _stored(person)
    Delivery.objects.filter(notice=busy, channel=Channel.EMAIL).update(
        state=DeliveryState.SENDING, claimed_at=Now() - timedelta(minutes=1)
    )
    assert sweep() == 2
    assert by_email(notice=lost).state == by_email(notice=dead).state == DeliveryState.SENT
    assert by_email(notice=busy).state == DeliveryState.SENDING


@pytest.mark.parametrize(("how", "sent"), [("task", 0), ("task_or_inline", 1)])
def test_without_a_broker_the_demo_sends_itself_and_production_leaves_it_to_the_sweep(
    person, settings, monkeypatch, how, sent
):
    from kombu.exceptions import OperationalError

    def refuse(*args, **kwargs):
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.deliver_notice, "apply_async", refuse)
    settings.NOTICES_SEND = how
    notify(person, NEW_SIGN_IN, FACTS)
    assert len(mail.outbox) == sent
    assert sweep() == 1 - sent


def test_nobody_is_written_to_who_is_not_there(person):
    User.objects.update(is_active=False)
    notify(person, NEW_SIGN_IN, FACTS)
    assert mail.outbox == []
    assert (by_email().state, by_email().failure) == (DeliveryState.GIVEN_UP, "no_address")


def test_advertising_needs_consent_on_its_channel_and_stops_with_it(person):
    actor = Actor.player(PlayerId(person))
    notify(person, NEWS, {})
    assert mail.outbox == []
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.SUPPRESSED}
    assert not Notice.objects.get().in_inbox

    consent.give(person, Channel.EMAIL, actor=actor)
    consent.give(person, Channel.EMAIL, actor=actor)
    notify(person, NEWS, {})
    assert len(mail.outbox) == 1
    assert not Notice.objects.filter(in_inbox=True).exists()

    consent.withdraw(person, Channel.EMAIL, actor=actor)
    consent.withdraw(person, Channel.EMAIL, actor=actor)
    notify(person, NEWS, {})
    assert len(mail.outbox) == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind FROM audit_event WHERE kind LIKE 'notices.%' ORDER BY at, id")
        told = [row[0] for row in cursor.fetchall()]
    assert told == ["notices.consent_given", "notices.consent_withdrawn"]


def test_a_kind_nobody_registered_is_a_bug(person):
    with pytest.raises(InvariantBroken):
        notify(person, "unheard_of", {})
    assert Notice.objects.count() == 0


def test_the_inbox_shows_a_person_the_own_notices_only(person):
    other = make_player("bea@example.org")
    mine = notify(person, NEW_SIGN_IN, FACTS, [Channel.INBOX])
    hers = notify(other, NEW_SIGN_IN, FACTS, [Channel.INBOX])
    assert mail.outbox == []
    client = Client()
    assert client.get(f"/account/notices/{mine}/").status_code == 302
    sign_in(client)
    page = client.get("/account/notices/").content.decode()
    assert f"/account/notices/{mine}/" in page
    assert f"/account/notices/{hers}/" not in page
    assert client.get(f"/account/notices/{hers}/").status_code == 404
    assert "Phone &lt;7&gt;" in client.get(f"/account/notices/{mine}/").content.decode()
    assert Notice.objects.get(pk=mine).read_at is not None
    assert Notice.objects.get(pk=hers).read_at is None


def test_the_mailbox_keeps_only_the_newest_mails(person, settings, monkeypatch):
    settings.EMAIL_BACKEND = "notices.mailbox.MailboxBackend"
    monkeypatch.setattr("notices.mailbox.KEPT_MAX", 3)
    for number in range(5):
        mail.send_mail(f"Mail {number}", "words", None, [EMAIL, "Bea@Example.org"])
    kept = list(MailboxMail.objects.order_by("id").values_list("subject", "recipient"))
    assert kept == [
        ("Mail 3", "bea@example.org"),
        ("Mail 4", EMAIL),
        ("Mail 4", "bea@example.org"),
    ]


def _stored(person: int):
    """A notice whose hint was lost: stored, and nobody told to send it."""
    from unittest.mock import patch

    with patch("notices.send._hand_over"):
        return notify(person, NEW_SIGN_IN, FACTS)

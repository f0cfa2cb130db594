"""The record in the staff pages: read and searched, never changed."""

import pytest
from django.contrib.admin.sites import AdminSite
from django.test import RequestFactory

from accounts.roles import Role
from audit.admin import AuditEventAdmin
from audit.models import AuditEvent
from audit.record import Personal, Subject, record, register
from kernel.ids import Actor
from tests.flows.staff_steps import make_staff

HAPPENED = register("test.shown", "Something to show happened")


@pytest.fixture
def page() -> AuditEventAdmin:
    return AuditEventAdmin(AuditEvent, AdminSite())


@pytest.fixture
def request_of_root(database):
    request = RequestFactory().get("/admin/audit/auditevent/")
    request.user = make_staff(Role.AUDITOR, key=None)
    return request


@pytest.fixture
def event(database) -> AuditEvent:
    event_id = record(
        HAPPENED,
        actor=Actor.staff(5),
        subject=Subject("player", "17"),
        component="test",
        after={"b": 1, "a": "ü"},
        reason="asked by phone",
        personal=Personal(17, {"name": "Zoë"}),
    )
    return AuditEvent.objects.get(pk=event_id)


@pytest.mark.feature("F80")
def test_an_event_is_shown_in_words_with_its_personal_fields_closed(page, event):
    assert page.what(event) == "Something to show happened"
    assert (page.subject(event), page.actor(event)) == ("player 17", "staff 5")
    assert (page.before_text(event), page.after_text(event)) == ("", '{"a": "ü", "b": 1}')
    assert page.personal_fields(event) == "encrypted, of person 17"


def test_nobody_adds_changes_or_deletes_events_not_even_a_superuser(page, event, request_of_root):
    assert not page.has_add_permission(request_of_root)
    assert not page.has_change_permission(request_of_root, event)
    assert not page.has_delete_permission(request_of_root, event)
    assert page.get_actions(request_of_root) == {}


@pytest.mark.parametrize(
    ("words", "found"), [("17", 1), ("phone", 1), ("test.shown", 1), ("1", 0), ("Zoë", 0)]
)
def test_events_are_found_by_id_kind_and_reason(page, event, request_of_root, words, found):
    rows, _ = page.get_search_results(request_of_root, AuditEvent.objects.all(), words)
    assert rows.count() == found

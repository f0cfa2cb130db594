"""Screening at the desk: two officers decide a hit on its page; nobody else learns of it."""

from datetime import date

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from compliance import freezing
from compliance.screening import hits, lists, screening
from notices.models import Notice
from tests.flows.screening_steps import general, hits_of, load, named
from tests.flows.staff_steps import staff_client

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F112")]
LIST = "/admin/screening/"


@pytest.fixture
def listed(database):
    load()
    player_id = named("Vladimir <Putin>", date(1952, 10, 7))
    screening.run()
    return player_id


def post(client, path, **fields):
    return client.post(path, fields | {"key": "k" + path[-20:]}, follow=True).content.decode()


def test_two_officers_decide_a_sure_hit_on_its_page(listed):
    one, other = staff_client(Role.COMPLIANCE), staff_client(Role.COMPLIANCE)
    (hit,) = hits_of(listed)
    at = f"{LIST}{hit.id}/"
    queue = one.get(LIST).content.decode()
    assert at in queue
    assert "Vladimir &lt;Putin&gt;" in queue
    assert "(reason_missing)" in post(one, f"{at}judge/", verdict="false", reason="")
    assert "waits for a second officer" in post(
        one, f"{at}judge/", verdict="false", reason="Another passport."
    )
    assert "I agree" not in one.get(at).content.decode()
    assert "(same_person)" in post(one, f"{at}agree/", reason="Me again.")
    assert "I agree" in other.get(at).content.decode()
    assert "is not the listed person" in post(other, f"{at}agree/", reason="I saw it too.")
    assert freezing.grounds(listed) == []
    assert [word.step for word in hits.words(hit.id)] == ["proposed", "decided"]


def test_a_list_is_uploaded_and_a_broken_one_changes_nothing(database):
    officer = staff_client(Role.COMPLIANCE)

    def upload(data):
        return officer.post(
            f"{LIST}lists/",
            {
                "source": "pep",
                "kind": "csv",
                "entries": "3",
                "files": SimpleUploadedFile("List.CSV", data),
            },
            follow=True,
        ).content.decode()

    assert "In force: pep, 3 entries." in upload(general().getvalue())
    refused = upload(general().getvalue()[:-9])
    assert "it was cut off on its way. (list_cut_off) The list before stays in force." in refused
    assert [one.entries for one in lists.versions()] == [3]


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.FINANCE, Role.PIT_BOSS])
def test_no_other_role_learns_that_there_is_a_hit(listed, role):
    client = staff_client(role)
    (hit,) = hits_of(listed)
    assert client.get(LIST).status_code == 403
    assert client.get(f"{LIST}{hit.id}/").status_code == 403
    for path in (
        f"/admin/players/{listed}/",
        "/support/",
        f"/support/players/{listed}/",
        "/admin/",
    ):
        page = client.get(path).content.decode().lower()
        for word in ("screening", "screened", "sanction", "suspect", "frozen", "officers"):
            assert word not in page, (path, word)


def test_the_player_reads_neutral_words_alone(listed):
    player = Client()
    player.force_login(
        User.objects.get(pk=listed), backend="accounts.authentication.PasswordAtOwnDoor"
    )
    for path in ("/", "/account/", "/cashier/", "/account/cases/", "/account/notices/"):
        answer = player.get(path, follow=True)
        assert answer.status_code == 200, path
        for word in ("screening", "sanction", "suspect", "frozen"):
            assert word not in answer.content.decode().lower(), (path, word)
    assert Notice.objects.filter(person_id=listed).count() == 0

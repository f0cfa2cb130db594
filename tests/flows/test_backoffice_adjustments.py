"""Adjustments at the desk: finance proposes in a form, a second person decides on a page."""

import re

import pytest

from accounts.roles import Role
from ledger import adjustments as acts
from tests.flows.ledger_steps import assert_books_clean, funded, posted
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.feature("F72")
LIST, FORM = "/admin/adjustments/", "/admin/adjustments/propose/"


@pytest.fixture
def finance(database):
    return staff_client(Role.FINANCE)


@pytest.fixture
def other(database):
    return staff_client(Role.FINANCE)


def typed(client, account, **more):
    page = client.get(FORM).content.decode()
    key = re.search(r'name="key" value="([0-9a-f]+)"', page)[1]
    return {
        "key": key,
        "account": account,
        "direction": "to",
        "amount": "50.00",
        "reason": "goodwill",
        "note": "The wheel <stood> for an hour.",
    } | more


def test_two_people_put_money_on_an_account_by_hand(finance, other):
    ada = funded(1, 0)
    form = typed(finance, ada)
    for _ in range(2):  # sent twice, proposed once
        assert finance.post(FORM, form).status_code == 302
    (asked,) = acts.waiting()
    at = f"{LIST}{asked.id}/"
    assert "50.00 EUR" in other.get(LIST).content.decode()
    own, page = finance.get(at).content.decode(), other.get(at).content.decode()
    assert ("Take it back" in own, "Approve" in own) == (True, False)
    assert ("Take it back" in page, "Approve" in page) == (False, True)
    assert "The wheel &lt;stood&gt; for an hour." in page

    refused = finance.post(f"{at}approve/", follow=True).content.decode()
    assert "Somebody else decides what you proposed. (same_person)" in refused
    assert posted(ada) == 0

    assert "Done: approved." in other.post(f"{at}approve/", follow=True).content.decode()
    assert posted(ada) == 5_000
    assert "Approve" not in other.get(at).content.decode()
    assert_books_clean()


def test_a_refusal_wants_a_word_and_moves_nothing(finance, other):
    ada = funded(1, 0)
    finance.post(FORM, typed(finance, ada, direction="from"))
    at = f"{LIST}{acts.waiting()[0].id}/"
    assert "Say why." in other.post(f"{at}refuse/", follow=True).content.decode()
    done = other.post(f"{at}refuse/", {"note": "No."}, follow=True).content.decode()
    assert "Done: refused." in done
    assert posted(ada) == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"account": "ada"}, "bad_account"),
        ({"account": "999999"}, "ledger_unknown_account"),
        ({"direction": "up"}, "bad_direction"),
        ({"amount": "5.001"}, "too_many_decimals"),
        ({"amount": "0"}, "not_positive"),
        ({"amount": "100000.01"}, "over_your_limit"),
        ({"reason": "because"}, "unknown_reason"),
        ({"note": " "}, "no_reason"),
        ({"key": "x"}, "bad_key"),
    ],
)
def test_a_form_that_is_wrong_says_so_and_keeps_what_was_typed(finance, wrong, said):
    answer = finance.post(FORM, typed(finance, funded(1, 0)) | wrong)
    page = answer.content.decode()
    assert (answer.status_code, f"({said})" in page) == (409, True), page[:2000]
    assert 'value="The wheel &lt;stood&gt; for an hour."' in page or "note" in wrong
    assert acts.waiting() == []

"""Who may look at the books and the record in the staff pages."""

import pytest

from accounts.roles import Role
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.usefixtures("database")

PAGES = ("/admin/ledger/account/", "/admin/audit/auditevent/")


@pytest.mark.feature("F77")
@pytest.mark.parametrize(
    ("role", "statuses"),
    [
        (Role.AUDITOR, [200, 200]),
        (Role.FINANCE, [200, 403]),
        (Role.PRESENTER, [403, 403]),
        (Role.PIT_BOSS, [403, 403]),
    ],
)
def test_the_books_and_the_record_are_seen_by_those_whose_work_it_is(role, statuses):
    client = staff_client(role)
    assert [client.get(page).status_code for page in PAGES] == statuses

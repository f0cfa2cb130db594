"""Files at finance's desk: brought by hand, shown with what was wrong, taken away by few."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.roles import Role
from audit.models import AuditEvent
from payments.files import store
from payments.files.models import SourceFile
from tests.flows.file_steps import HEADINGS, SAMPLES, deliver, head, lines, put, row, whole
from tests.flows.staff_steps import staff_client

pytestmark = [pytest.mark.feature("F67")]
FILES = "/admin/finance/files/"


@pytest.fixture
def inside(database, settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")
    return tmp_path


def upload(client, *files: tuple[str, str], **fields: str) -> str:
    chosen = [SimpleUploadedFile(name, content.encode()) for name, content in files]
    answer = client.post(f"{FILES}upload/", {"files": chosen, **fields}, follow=True)
    return answer.content.decode()


def test_finance_brings_a_file_and_sees_what_it_comes_to(inside):
    finance = staff_client(Role.FINANCE)
    page = upload(finance, ("day.csv", whole()))
    assert "day.csv: taken, 1 row." in page
    for shown in ("100.00 EUR", "2.50 EUR", "97.50 EUR", "Take the original"):
        assert shown in page
    file = SourceFile.objects.get()
    assert (file.way, file.state, file.imported_by[:6]) == ("upload", "accepted", "staff:")
    listed = finance.get(FILES).content.decode()
    assert f"{FILES}{file.pk}/" in listed
    assert "by hand" in listed


def test_a_refused_file_shows_row_column_and_words_and_runs_nothing(inside):
    finance = staff_client(Role.FINANCE)
    bad = whole(row(gross="<script>alert(1)</script>"), row(type="gift"))
    page = upload(finance, ("<b>day</b>.csv", bad))
    assert "refused. Row 3. This is no amount. (not_an_amount)" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)" not in page
    assert "<b>day" not in page
    assert "unknown_type" in page
    assert not SourceFile.objects.filter(state="accepted").exists()


def test_several_files_are_told_one_by_one_and_none_is_a_mistake(inside):
    finance = staff_client(Role.FINANCE)
    nothing = lines(head(2), HEADINGS)
    page = upload(finance, ("1.csv", whole()), ("copy.csv", whole()), ("2.csv", nothing))
    assert "1.csv: taken, 1 row." in page
    assert "copy.csv: refused. This very file was imported before, as 1.csv." in page
    assert "2.csv: taken, 0 rows." in page
    assert "Choose a file." in upload(finance)


def test_a_gap_is_taken_with_a_reason_that_is_shown(inside):
    sample = (SAMPLES / "bank" / "camt053_02.xml").read_text("utf-8")
    finance = staff_client(Role.FINANCE)
    assert "taken, 5 rows" in upload(finance, ("1.xml", sample), source="main")
    again = sample.replace("<ElctrncSeqNb>41<", "<ElctrncSeqNb>43<").replace("JPY-7", "JPY-8")
    again = again.replace("<ElctrncSeqNb>7<", "<ElctrncSeqNb>8<")
    assert "(sequence_gap)" in upload(finance, ("3.xml", again), source="main")
    page = upload(finance, ("3.xml", again), source="main", despite="Lost at the bank.")
    assert "Lost at the bank." in page
    assert "What is odd about it" in page
    assert "1,222.50 EUR" in page


def test_the_original_is_taken_by_few_and_recorded(inside):
    file = deliver(put(inside, 'a"; x="..\n.csv', whole())).file
    finance, administrator = staff_client(Role.FINANCE), staff_client(Role.ADMINISTRATOR)
    at = f"{FILES}{file.pk}/original/"
    answer = finance.get(at)
    assert b"".join(answer.streaming_content) == whole().encode()
    assert answer["Content-Disposition"] == 'attachment; filename="a___x__.._.csv"'
    assert answer["Content-Type"] == "application/octet-stream"
    assert AuditEvent.objects.filter(kind="desk.source_file_taken").count() == 1
    assert administrator.get(at).status_code == 403
    assert administrator.get(f"{FILES}{file.pk}/").status_code == 200
    assert administrator.post(f"{FILES}upload/").status_code == 403
    store.path_of(file.original_path).unlink()
    assert finance.get(at).status_code == 404
    assert "not kept" in finance.get(f"{FILES}{file.pk}/").content.decode()


def test_before_any_file_the_page_says_how_one_comes(inside):
    page = staff_client(Role.AUDITOR).get(FILES).content.decode()
    assert "No file has come yet." in page
    assert "Bring a file" not in page

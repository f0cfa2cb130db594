"""The self-check: an altered file or setting is an alarm that names it; no change is silence."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import marshal
import py_compile
import shutil
import subprocess
from datetime import timedelta
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from casino import own_check, program_hashes, self_check
from casino.self_check import Change, CheckCode, Verdict
from kernel.ids import Actor
from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from notices.models import Notice
from tests.conftest import ROOT
from tests.flows.accounts_steps import audit_kinds
from tests.flows.staff_steps import make_staff, staff_client

pytestmark = [pytest.mark.feature("F50"), pytest.mark.usefixtures("database")]


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Path:
    """A copy of a part of our programs, which is what runs as far as the check knows."""
    for folder in ("kernel", "ledger", "compliance"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.setattr(program_hashes, "FOLDERS", ("kernel", "ledger", "compliance"))
    for name in program_hashes.FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    real = program_hashes.measure
    monkeypatch.setattr(program_hashes, "distribution_hashes", lambda _root: {})
    monkeypatch.setattr(program_hashes, "beside_hashes", lambda _root, _site: {})
    monkeypatch.setattr(program_hashes, "measure", lambda: real(tmp_path))
    return tmp_path


def administrator() -> Actor:
    return Actor.staff(make_staff(Role.ADMINISTRATOR, key=None).pk)


def approved() -> None:
    """What runs now is proposed by one and approved by another administrator."""
    made = self_check.propose(administrator(), "release 0.1")
    self_check.approve(made.id, administrator(), digest=made.digest)


def alarms() -> int:
    return Notice.objects.filter(kind="self_check_alarm").count()


def refused(act, *args, **kwargs) -> str:
    with pytest.raises(Refused) as caught:
        act(*args, **kwargs)
    return str(caught.value.code)


def test_nothing_changed_is_silence(copy, caplog):
    approved()
    for _ in range(2):
        assert self_check.check(self_check.DAILY).verdict is Verdict.SAME
    assert alarms() == 0
    assert "self_check.alarm" not in audit_kinds("self_check.")
    assert caplog.text == ""


def test_caches_and_what_nobody_runs_are_no_change(copy):
    approved()
    py_compile.compile(str(copy / "kernel" / "money.py"))
    caches = copy / "kernel" / "__pycache__"
    (caches / "money.cpython-27.pyc").write_bytes(b"another Python's")
    (caches / "ids.cpython-311.pyc").write_bytes(b"a head that Python does not take")
    (copy / "kernel" / "notes.swp").write_text("x")
    (copy / "var").mkdir()
    (copy / "var" / "secrets.py").write_text("x")
    assert self_check.check(self_check.DAILY).verdict is Verdict.SAME


def cache_of(source: Path, code: str, *, stamp: bytes | None = None) -> Path:
    """A cache of ``source`` that runs ``code``, with the head that Python takes without a look."""
    told = source.stat()
    fields = (int(told.st_mtime).to_bytes(4, "little"), told.st_size.to_bytes(4, "little"))
    head = b"\x00" * 4 + b"".join(fields) if stamp is None else stamp
    path = Path(importlib.util.cache_from_source(str(source)))
    path.parent.mkdir(exist_ok=True)
    code_bytes = marshal.dumps(compile(code, str(source), "exec"))
    path.write_bytes(importlib.util.MAGIC_NUMBER + head + code_bytes)
    return path


@pytest.mark.parametrize("stamp", [None, b"\x01" + b"\x00" * 11], ids=["time", "unchecked"])
def test_a_compiled_file_that_is_not_of_its_source_is_an_alarm(copy, stamp):
    approved()
    path = cache_of(copy / "kernel" / "money.py", "print('mine')", stamp=stamp)
    found = self_check.check(self_check.DAILY)
    name = path.relative_to(copy).as_posix()
    assert found.changes == (Change(f"cache:{name}", "added"),)
    assert alarms() == 2


def test_a_compiled_file_without_a_source_is_an_alarm(copy):
    approved()
    (copy / "kernel" / "door.pyc").write_bytes(b"x")
    found = self_check.check(self_check.DAILY)
    assert found.changes == (Change("cache:kernel/door.pyc", "added"),)


@pytest.fixture
def house_in_var(tmp_path, monkeypatch) -> Path:
    """An installation below a folder named as one that is not measured."""
    root = tmp_path / "var" / "node_modules" / "faro"
    (root / "ledger").mkdir(parents=True)
    (root / "ledger" / "posting.py").write_text("x = 1\n")
    (root / "manage.py").write_text("x = 1\n")
    monkeypatch.setattr(program_hashes, "FOLDERS", ("ledger",))
    return root


def test_where_an_installation_lies_changes_nothing(house_in_var):
    assert list(dict(program_hashes.file_hashes(house_in_var))) == [
        "manage.py", "ledger/posting.py",
    ]  # fmt: skip
    path = cache_of(house_in_var / "ledger" / "posting.py", "print('mine')")
    name = path.relative_to(house_in_var).as_posix()
    assert list(dict(program_hashes.foreign_caches(house_in_var))) == [name]


def test_a_folder_in_which_there_is_nothing_is_not_measured_as_nothing(house_in_var):
    (house_in_var / "ledger" / "posting.py").unlink()
    with pytest.raises(InvariantBroken):
        list(program_hashes.file_hashes(house_in_var))


@pytest.mark.parametrize(
    "path",
    [
        *(f"ledger/posting{suffix}" for suffix in EXTENSION_SUFFIXES),
        *(f"psycopg{suffix}" for suffix in (".py", ".so", ".pyc")),
        "redis/__init__.py",
        "redis/client.pyc",
        "psycopg_c/pq.py",  # an optional package that is not installed
        "ledger/var/late.py",
    ],
)
def test_whatever_python_would_run_from_us_or_before_the_packages_is_an_alarm(copy, path):
    approved()
    (copy / path).parent.mkdir(exist_ok=True)
    (copy / path).write_bytes(b"x = 1")
    kind = "cache" if path.endswith(".pyc") else "file"
    found = self_check.check(self_check.DAILY)
    assert found.changes == (Change(f"{kind}:{path}", "added"),)


@pytest.mark.parametrize("name", ["redis", "ledger/more"])
def test_a_folder_that_is_a_link_is_an_alarm_wherever_it_leads(copy, tmp_path_factory, name):
    approved()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (copy / name).symlink_to(elsewhere)
    found = self_check.check(self_check.DAILY)
    assert found.changes == (Change(f"link:{name}", "added"),)


def test_programs_beside_the_packages_and_packages_that_are_not_locked_are_named(tmp_path):
    (tmp_path / "requirements.txt").write_text("good==1.0\n")
    site = tmp_path / "site"
    for name in ("good", "evil"):
        made = site / f"{name}-1.0.dist-info"
        made.mkdir(parents=True)
        (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (made / "RECORD").write_text(f"{name}.py,sha256=x,1\n{name}.pth,,\n")
        (site / f"{name}.py").write_text("1")
    (site / "sitecustomize.py").write_text("1")
    (site / "start.pth").write_text("import evil")
    (site / "notes.txt").write_text("1")
    found = program_hashes.beside_hashes(tmp_path, site)
    assert list(found) == ["unlocked:evil", "unrecorded:sitecustomize.py", "unrecorded:start.pth"]


def test_one_hosts_good_check_hides_no_others_alarm(copy, monkeypatch, settings):
    settings.FARO_METRICS_TOKEN = "scraper"
    approved()
    good = (copy / "kernel" / "money.py").read_text()
    (copy / "kernel" / "money.py").write_text("# other\n")
    monkeypatch.setattr(self_check.socket, "gethostname", lambda: "one")
    assert self_check.check(self_check.DAILY).host == "one"
    (copy / "kernel" / "money.py").write_text(good)
    monkeypatch.setattr(self_check.socket, "gethostname", lambda: "two")
    assert self_check.check(self_check.DAILY).verdict is Verdict.SAME
    flag = Client().get("/readyz").json()["flags"]["self_check"]
    assert flag == "1 things differ from what was approved to run"
    scrape = Client().get("/metrics", headers={"authorization": "Bearer scraper"})
    assert "faro_self_check_changes 1.0" in scrape.content.decode()
    assert [(one.host, one.verdict.value) for one in self_check.last_checks()] == [
        ("one", "changed"), ("two", "same"),
    ]  # fmt: skip


def test_an_alarm_that_an_approval_ended_is_over_and_the_host_is_checked_anew(copy, settings):
    settings.FARO_METRICS_TOKEN = "scraper"
    approved()
    (copy / "kernel" / "money.py").write_text("# release 0.2\n")
    assert self_check.check(self_check.DAILY).verdict is Verdict.CHANGED
    approved()
    late = "a host was not checked within a day or since the approval"
    assert Client().get("/readyz").json()["flags"]["self_check"] == late
    scrape = Client().get("/metrics", headers={"authorization": "Bearer scraper"}).content.decode()
    assert "faro_self_check_changes 0.0" in scrape
    assert "faro_self_check_late_hosts 1.0" in scrape
    page = staff_client(Role.ADMINISTRATOR).get("/staff/self-check/").content.decode()
    assert "not checked within a day or since the approval" in page
    assert own_check.check_if_due(timedelta(hours=9))
    assert Client().get("/readyz").json()["flags"]["self_check"] == "ok"


def test_each_host_checks_itself_when_a_process_began_and_daily(copy, monkeypatch, owner):
    approved()
    assert own_check.check_if_due(timedelta(minutes=1))
    assert not own_check.check_if_due(timedelta(minutes=1))  # another process of this host
    assert own_check.check_if_due(timedelta(0))  # one that began after that check
    monkeypatch.setattr(own_check.socket, "gethostname", lambda: "two")
    monkeypatch.setattr(self_check.socket, "gethostname", lambda: "two")
    assert own_check.check_if_due(timedelta(minutes=1))
    owner.execute("ALTER TABLE casino_self_check DISABLE TRIGGER USER")
    owner.execute("UPDATE casino_self_check SET at = at - interval '23 hours 1 minute'")
    assert own_check.check_if_due(timedelta(days=9))
    assert len(self_check.last_checks()) == 2
    owner.execute("SELECT pg_advisory_lock(hashtext('casino_own_check'), hashtext('two'))")
    assert not own_check.check_if_due(timedelta(0))  # one is at it


def test_the_acts_themselves_ask_for_the_right(copy):
    approved()
    auditor = Actor.staff(make_staff(Role.AUDITOR, key=None).pk)
    made = self_check.propose(administrator(), "release 0.2")
    assert refused(self_check.propose, auditor, "x") == "not_allowed"
    assert refused(self_check.approve, made.id, auditor, digest=made.digest) == "not_allowed"
    assert self_check.waiting_baseline() == made


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("kernel/money.py", "altered"),
        ("ledger/sql/0002_posting.sql", "altered"),
        ("compliance/jurisdictions/mt.yaml", "altered"),
        ("requirements.txt", "altered"),
        ("kernel/ids.py", "removed"),
        ("ledger/backdoor.py", "added"),
    ],
)
def test_a_changed_file_is_an_alarm_that_names_it(copy, caplog, path, how):
    approved()
    if how == "removed":
        (copy / path).unlink()
    else:
        with (copy / path).open("a") as file:
            file.write("\n# one line more\n")
    found = self_check.check(self_check.DAILY)
    assert found.verdict is Verdict.CHANGED
    assert found.changes == (Change(f"file:{path}", how),)
    assert alarms() == 2  # both administrators
    assert audit_kinds("self_check.")[-1] == "self_check.alarm"
    assert f"{how} file:{path}" in caplog.text


def test_a_changed_setting_is_an_alarm_that_names_it_and_not_its_value(copy, settings):
    settings.PSP_WEBHOOK_SECRET = "the-word-before"
    approved()
    settings.FARO_JURISDICTIONS = ["MT"]
    settings.PSP_WEBHOOK_SECRET = "a-very-secret-word"
    found = self_check.check(self_check.DAILY)
    assert {change.what for change in found.changes} == {
        "setting:FARO_JURISDICTIONS",
        "setting:PSP_WEBHOOK_SECRET",
    }
    assert "a-very-secret-word" not in json.dumps(program_hashes.measure())
    plain = hashlib.sha256(b"'a-very-secret-word'").hexdigest()
    assert plain not in program_hashes.measure().values()


def test_a_guard_switched_off_in_the_database_is_an_alarm(copy, owner):
    approved()
    owner.execute("ALTER TABLE compliance_case DISABLE TRIGGER compliance_case_change")
    owner.execute("CREATE FUNCTION quiet() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    found = self_check.check(self_check.DAILY)
    assert found.changes == (
        Change("function:quiet()", "added"),
        Change("trigger:compliance_case.compliance_case_change", "altered"),
    )


def test_a_guard_switched_off_on_one_month_is_an_alarm_and_a_new_month_is_none(
    copy, owner, settings
):
    approved()
    owner.execute(
        "SELECT audit_make_month_partitions('audit_event', '2190-01-01', 1, %s)",
        [settings.DATABASE_RUNTIME_ROLE],
    )
    assert self_check.check(self_check.DAILY).changes == ()
    owner.execute("ALTER TABLE audit_event_2190_01 DISABLE TRIGGER USER")
    found = self_check.check(self_check.DAILY)
    assert found.changes
    assert all(one.what.startswith("trigger:audit_event.*.") for one in found.changes)


def test_without_anything_approved_the_check_says_so_and_alarms_nobody(copy):
    assert self_check.check(self_check.DAILY).verdict is Verdict.NO_BASELINE
    assert alarms() == 0


def test_one_person_alone_approves_nothing(copy, owner):
    anna, ben = administrator(), administrator()
    made = self_check.propose(anna, "release 0.1")
    assert refused(self_check.approve, made.id, anna, digest=made.digest) == CheckCode.SAME_PERSON
    assert refused(self_check.approve, made.id, ben, digest="0" * 64) == CheckCode.STALE
    assert refused(self_check.propose, anna, "  ") == CheckCode.NO_REASON
    assert refused(self_check.propose, self_check.DAILY, "x") == CheckCode.NOT_STAFF
    with pytest.raises(psycopg.errors.CheckViolation):
        owner.execute(
            "INSERT INTO casino_baseline_approval (baseline_id, digest, proposed_by, approved_by)"
            " VALUES (%s, %s, 'staff:0', %s)",  # whoever it says proposed it
            [made.id, made.digest, str(anna)],
        )
    assert self_check.approved_baseline() is None
    self_check.approve(made.id, ben, digest=made.digest)
    again = refused(self_check.approve, made.id, ben, digest=made.digest)
    assert again == CheckCode.APPROVED_BEFORE
    assert audit_kinds("self_check.") == ["self_check.proposed", "self_check.approved"]


def test_an_older_proposal_does_not_replace_a_newer_one(copy):
    old = self_check.propose(administrator(), "old")
    approved()
    assert (
        refused(self_check.approve, old.id, administrator(), digest=old.digest) == "baseline_stale"
    )


def test_a_baseline_rewritten_in_the_database_is_an_alarm(copy, owner):
    approved()
    owner.execute("ALTER TABLE casino_baseline DISABLE TRIGGER USER")
    measured = program_hashes.measure()
    measured["file:kernel/money.py"] = "0" * 64
    owner.execute(
        "UPDATE casino_baseline SET files = %s, digest = %s",
        [json.dumps(measured), program_hashes.digest_of(measured)],
    )
    found = self_check.check(self_check.DAILY)
    assert Change("baseline", "altered") in found.changes


def test_sha256sum_agrees_and_finds_the_altered_file(copy):
    approved()
    sums = copy / "faro.sha256"
    call_command("self_check", "--export", str(sums))
    words = ["sha256sum", "--check", "--quiet", "faro.sha256"]
    good = subprocess.run(words, cwd=copy, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout) == (0, "")
    (copy / "kernel" / "money.py").write_text("# other\n")
    bad = subprocess.run(words, cwd=copy, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert bad.stdout == "kernel/money.py: FAILED\n"


def test_the_command_exits_1_where_something_differs(copy, capsys):
    approved()
    call_command("self_check")
    assert "same as approved" in capsys.readouterr().out
    (copy / "kernel" / "money.py").write_text("# other\n")
    with pytest.raises(SystemExit) as ended:
        call_command("self_check")
    assert ended.value.code == 1
    assert "altered  file:kernel/money.py" in capsys.readouterr().out


def test_the_command_proposes_in_the_name_of_an_administrator_only(copy):
    finn = make_staff(Role.FINANCE, key=None)
    with pytest.raises(CommandError, match="who may propose"):
        call_command("self_check", "--propose", "--by", finn.email, "--reason", "x")
    admin = User.objects.get(pk=int(administrator().id))
    call_command("self_check", "--propose", "--by", admin.email, "--reason", "release 0.1")
    waiting = self_check.waiting_baseline()
    assert waiting is not None
    assert waiting.proposed_by == f"staff:{admin.pk}"


def test_readiness_and_metrics_carry_the_flag(copy, settings):
    settings.FARO_METRICS_TOKEN = "scraper"
    approved()
    self_check.check(self_check.DAILY)
    web = Client()
    assert set(web.get("/readyz").json()["flags"].values()) == {"ok"}
    (copy / "kernel" / "money.py").write_text("# other\n")
    self_check.check(self_check.DAILY)
    answer = web.get("/readyz").json()
    assert answer["flags"]["self_check"] == "1 things differ from what was approved to run"
    assert answer["checks"].get("self_check") is None
    scrape = web.get("/metrics", headers={"authorization": "Bearer scraper"}).content.decode()
    assert "faro_self_check_changes 1.0" in scrape


def test_two_administrators_approve_at_their_page(copy):
    anna, ben = staff_client(Role.ADMINISTRATOR), staff_client(Role.ADMINISTRATOR)
    anna.post("/staff/self-check/propose/", {"reason": "release 0.1"})
    waiting = self_check.waiting_baseline()
    form = {"digest": waiting.digest}
    own = anna.post(f"/staff/self-check/{waiting.id}/approve/", form, follow=True)
    assert "baseline_needs_two_people" in own.content.decode()
    ben.post(f"/staff/self-check/{waiting.id}/approve/", form)
    assert self_check.approved_baseline().digest == waiting.digest
    page = ben.post("/staff/self-check/now/", follow=True).content.decode()
    assert "as approved" in page
    assert "kernel/money.py" in anna.get("/staff/self-check/faro.sha256").content.decode()


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_other_roles_check_and_approve_nothing(copy, role):
    browser = staff_client(role)
    expected = 200 if role in {Role.AUDITOR, Role.INSPECTOR} else 403
    assert browser.get("/staff/self-check/").status_code == expected
    assert browser.post("/staff/self-check/now/").status_code == 403
    assert browser.post("/staff/self-check/propose/", {"reason": "x"}).status_code == 403
    assert self_check.last_checks() == []


@pytest.mark.slow
def test_the_whole_measure_covers_what_is_installed_and_is_the_same_twice():
    first = program_hashes.measure()
    assert first == program_hashes.measure()
    kinds = {name.partition(":")[0] for name in first}
    expected = {"file", "installed", "setting", "function", "trigger", "migration"}
    assert kinds - {"unlocked", "unrecorded"} == expected  # those are of the tests' own tools
    assert "installed:django" in first
    assert [name for name in first if name.startswith("installed:") and "/" in name] == []
    for name in (
        "tables/incidents/procedures.yaml",
        "tables/rules/roulette/payouts.py",
        "manage.py",
    ):
        assert f"file:{name}" in first
    assert not [name for name in first if "__pycache__" in name or name.endswith(".pyc")]


def test_a_file_altered_after_its_installation_is_named(tmp_path, monkeypatch):
    (tmp_path / "requirements.txt").write_text("structlog==1.0 \\\n    --hash=sha256:0\n")
    clean = program_hashes.distribution_hashes(tmp_path)
    assert list(clean) == ["installed:structlog"]
    real = program_hashes._of_file
    monkeypatch.setattr(
        program_hashes,
        "_of_file",
        lambda path: "0" * 64 if path.name == "contextvars.py" else real(path),
    )
    found = program_hashes.distribution_hashes(tmp_path)
    assert found == clean | {"installed:structlog/structlog/contextvars.py": "0" * 64}

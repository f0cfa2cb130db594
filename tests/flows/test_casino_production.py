"""The settings that production runs on, checked by Django and by us."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from casino import checks
from tests import house
from tests.flows import place_steps

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCTION = {
    "FARO_MODE": "production",
    "ALLOWED_HOSTS": "play.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://play.example.com",
    "FARO_JURISDICTIONS": "MT",
    "FARO_OPERATOR": "House Ltd",
    "SUPPORT_EMAIL": "help@house.example",
    "FARO_METRICS_TOKEN": "scraper-token",
    "FARO_VIRUS_SCANNER": "tcp://scanner.internal:3310",
    "STRIPE_API_KEY": "rk_live_of-no-account",
    "STRIPE_WEBHOOK_SECRETS": "whsec_of-no-endpoint",
    "PYTHONWARNINGS": "error",
}


def _manage(*words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "default", "manage.py", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _check(database, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = database.environment() | PRODUCTION | changes
    environment.pop("PYTHONWARNINGS")
    return _manage(
        "check", "--deploy", "--database", "default", "--fail-level", "WARNING",
        environment=environment,
    )  # fmt: skip


def test_check_deploy_finds_nothing_under_production_settings(database, settings, tmp_path):
    house.sign_off("MT")
    done = _check(database, FARO_GEOIP_DATABASE=str(place_steps.lay(settings, tmp_path)))
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_check_deploy_refuses_a_runtime_role_that_may_rewrite_history(database, owner):
    assert checks.runtime_role_cannot_rewrite_history(None, databases=["default"]) == []
    owner.execute("GRANT DELETE ON audit_event TO faro_app")
    found = checks.runtime_role_cannot_rewrite_history(None, databases=["default"])
    assert [message.id for message in found] == ["faro.E002"]


def test_check_deploy_names_a_key_that_is_no_key(settings):
    assert checks.secrets_are_usable(None) == []
    settings.FARO_SEAL_KEY = "c2hvcnQ="
    (found,) = checks.secrets_are_usable(None)
    assert (found.id, "FARO_SEAL_KEY" in found.msg) == ("faro.E001", True)


def test_check_deploy_warns_of_the_embedded_server_in_production_only(settings):
    settings.FARO_EMBEDDED_DATABASE = True
    assert checks.no_embedded_server_in_production(None) == []
    settings.FARO_MODE = "production"
    (found,) = checks.no_embedded_server_in_production(None)
    assert found.id == "faro.W001"


@pytest.mark.feature("F119")
def test_check_deploy_refuses_a_demonstration_and_a_profile_that_is_not_there(database, settings):
    settings.FARO_JURISDICTIONS = ["DEMO", "MT"]
    assert checks.jurisdictions_may_be_offered(None) == []
    done = _check(database, FARO_JURISDICTIONS="MT,DEMO,XX")
    assert done.returncode != 0
    assert done.stderr.count("faro.E004") == 2
    assert "names DEMO: it is a demonstration" in done.stderr
    assert "names XX: there is no such profile" in done.stderr


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        ({"STRIPE_API_KEY": None}, ["faro.E006"]),
        ({"STRIPE_API_KEY": None, "PAYMENT_PROVIDER": "simulated"}, []),
        ({"STRIPE_WEBHOOK_SECRETS": [], "PAYMENT_PROVIDER": "stripe"}, ["faro.E005"]),
        ({"PAYMENT_PROVIDER": "nobody"}, ["faro.E005"]),
        ({"STRIPE_API_KEY": "sk_test_x"}, ["faro.W005"]),
        ({"STRIPE_API_BASE": "http://127.0.0.1:9"}, ["faro.W006"]),
        ({"FARO_MODE": "test", "STRIPE_API_KEY": None}, []),
    ],
)
def test_check_deploy_wants_a_real_provider_in_production(settings, changed, found):
    settings.FARO_MODE, settings.PAYMENT_PROVIDER = "production", ""
    settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRETS = "rk_live_x", ["whsec_x"]
    settings.SIMULATED_PSP_URL, settings.PSP_WEBHOOK_SECRET = "http://127.0.0.1:9", "x"
    for name, value in changed.items():
        setattr(settings, name, value)
    assert [message.id for message in checks.payments_reach_a_provider(None)] == found


def test_a_form_may_end_on_stripes_page_where_stripe_is_connected(database):
    words = "from django.conf import settings as s; print(s.CONTENT_SECURITY_POLICY['DIRECTIVES'])"
    for key, may in (("rk_live_of-no-account", True), ("", False)):
        environment = database.environment() | PRODUCTION | {"STRIPE_API_KEY": key}
        environment.pop("PYTHONWARNINGS")
        done = _manage("shell", "--no-imports", "-c", words, environment=environment)
        assert done.returncode == 0, done.stderr
        assert ("'form-action': [\"'self'\", 'https://checkout.stripe.com']" in done.stdout) is may


def test_no_migration_is_missing(database):
    done = _manage("makemigrations", "--check", "--dry-run", environment=database.environment())
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_static_files_get_hashed_names_in_production(database, tmp_path):
    environment = database.environment() | PRODUCTION | {"FARO_STATE_DIR": str(tmp_path)}
    environment.pop("PYTHONWARNINGS")
    done = _manage("collectstatic", "--noinput", "--verbosity", "0", environment=environment)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "static" / "staticfiles.json").exists()


def test_production_does_not_start_without_a_secret_key(database):
    environment = database.environment() | PRODUCTION
    environment.pop("SECRET_KEY")
    done = _manage("check", environment=environment)
    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr


def test_the_example_of_the_environment_names_every_variable_that_settings_read():
    read = set()
    for file in [*ROOT.glob("casino/settings/*.py"), *ROOT.glob("casino/supervisor/*.py")]:
        read |= set(re.findall(r'env\.\w+\(\s*"(\w+)"', file.read_text()))
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE))
    assert read - named == set()
    assert "SECRET_KEY=" in example

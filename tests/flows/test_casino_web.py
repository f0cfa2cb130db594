"""Probes, metrics, headers and error pages of the web role."""

from __future__ import annotations

import io
import json
import logging

import psycopg
import pytest
import structlog
from django.test import Client

from casino import metrics
from casino.database_rights import problems_of_runtime_role
from tables.pages import my_rounds
from tests.conftest import SUPER_URL

TOKEN = "scraper-token"


@pytest.fixture
def web(database) -> Client:
    return Client(raise_request_exception=False)


def _headers(web, path):
    answer = web.get(path)
    answer.close()  # a static file is open until its answer is
    return answer.headers


def test_alive_asks_nobody(web, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = web.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})


def test_ready_when_database_migrations_broker_and_rights_are_right(web):
    answer = web.get("/readyz")
    assert answer.json() == {
        "ready": True,
        "checks": {"database": "ok", "migrations": "ok", "broker": "ok", "runtime_role": "ok"},
        "flags": {"self_check": "ok", "places": "ok", "profiles": "ok"},
    }
    assert answer.status_code == 200


def test_not_ready_without_a_broker_and_within_two_seconds(web, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    answer = web.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"] == "unreachable"


def test_not_ready_while_a_migration_is_missing(web, owner, monkeypatch):
    monkeypatch.setattr("casino.health._applied_before", set())
    owner.execute("DELETE FROM django_migrations WHERE app = 'casino'")
    answer = web.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"].startswith("migrations are missing")


def test_not_ready_when_the_runtime_role_may_rewrite_history(web, owner):
    owner.execute("GRANT UPDATE ON audit_event TO faro_app")
    answer = web.get("/readyz")
    assert answer.status_code == 503
    assert "may change append-only audit_event" in answer.json()["checks"]["runtime_role"]


def test_rows_with_a_guard_of_their_own_may_change_and_are_never_emptied_at_once(database, owner):
    assert problems_of_runtime_role() == []  # proposals are decided: their rows change
    owner.execute("GRANT TRUNCATE ON tables_correction TO faro_app")
    assert problems_of_runtime_role() == [
        "the runtime role faro_app may change append-only tables_correction"
    ]


def test_the_runtime_role_may_not_write_what_a_role_of_staff_may_do(database, owner):
    owner.execute("GRANT INSERT ON auth_group_permissions TO faro_app")
    owner.execute("GRANT UPDATE (codename) ON auth_permission TO faro_app")
    assert problems_of_runtime_role() == [
        "the runtime role faro_app may give itself rights by"
        " auth_group_permissions, auth_permission"
    ]


def test_not_ready_when_the_runtime_role_owns_a_table(web, database):
    with psycopg.connect(SUPER_URL, dbname=database.name, autocommit=True) as superuser:
        superuser.execute("CREATE TABLE stray (n int)")
        superuser.execute("ALTER TABLE stray OWNER TO faro_app")
    assert problems_of_runtime_role() == [
        "the runtime role faro_app owns 1 relations; only the owner role may"
    ]


def test_metrics_are_not_there_for_strangers(web, settings):
    settings.FARO_METRICS_TOKEN = TOKEN
    assert web.get("/metrics").status_code == 404
    assert web.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 404
    settings.FARO_METRICS_TOKEN = ""
    assert web.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_every_label_set_is_born_at_zero_and_counted_by_class(web, settings):
    settings.FARO_METRICS_TOKEN = TOKEN
    headers = {"Authorization": f"Bearer {TOKEN}"}
    text = web.get("/metrics", headers=headers).content.decode()
    for route in {*metrics.ROUTE_CLASSES.values(), metrics.UNKNOWN}:
        for outcome in metrics.OUTCOMES:
            assert f'faro_http_requests_total{{outcome="{outcome}",route="{route}"}}' in text
    before = metrics.REQUESTS.labels("health", "2xx")._value.get()
    web.get("/healthz")
    assert metrics.REQUESTS.labels("health", "2xx")._value.get() == before + 1


def test_no_more_than_25_classes_of_routes():
    assert len({*metrics.ROUTE_CLASSES.values(), metrics.UNKNOWN}) <= 25


@pytest.mark.parametrize("path", ["/healthz", "/nothing-here", "/static/css/base.css"])
def test_every_answer_carries_the_headers(web, path):
    headers = _headers(web, path)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "object-src 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_pages_are_never_kept_by_a_browser_and_static_files_are(web):
    assert web.get("/healthz").headers["Cache-Control"] == "private, no-store"
    assert "public" in _headers(web, "/static/css/base.css")["Cache-Control"]


def test_only_the_staff_pages_have_the_looser_policy(web):
    policy = web.get("/admin/login/").headers["Content-Security-Policy"]
    (scripts,) = (part for part in policy.split("; ") if part.startswith("script-src"))
    assert scripts == "script-src 'self' 'unsafe-eval'"  # what stands in a page does not run
    assert "unsafe" not in web.get("/staff/account/login/").headers["Content-Security-Policy"]
    assert "unsafe" not in web.get("/account/login/").headers["Content-Security-Policy"]


def test_a_missing_page_is_a_page_and_a_missing_api_address_is_json(web):
    page = web.get("/nothing-here")
    assert page.status_code == 404
    assert "There is no such page" in page.content.decode()
    api = web.get("/api/nothing-here")
    assert (api.status_code, api.json()["code"]) == (404, "not_found")


def test_a_crash_says_its_reference_and_nothing_of_itself(web, monkeypatch):
    monkeypatch.setattr("casino.health.CHECKS", {"broken": lambda: 1 / 0})
    answer = web.get("/readyz")
    assert answer.status_code == 500
    assert "Something failed on our side" in answer.content.decode()
    assert "ZeroDivisionError" not in answer.content.decode()


def test_a_form_without_its_token_is_a_403_page(database):
    answer = Client(enforce_csrf_checks=True).post(
        "/account/login/", {"login": "a", "password": "b"}
    )
    assert answer.status_code == 403
    assert answer.headers["Content-Type"].startswith("text/html")


def test_log_lines_are_json_with_ids_and_without_secrets():
    handler = next(h for h in logging.getLogger().handlers if h.name == "stderr")
    written = io.StringIO()
    before = handler.setStream(written)
    try:
        logging.getLogger("some.library").warning("said plainly")
        structlog.get_logger("faro").warning("sign_in", email="a@b.example", token="abc", round=7)
    finally:
        handler.setStream(before)
    plain, sign_in = [json.loads(line) for line in written.getvalue().splitlines()]
    assert (plain["event"], plain["logger"]) == ("said plainly", "some.library")
    assert (sign_in["email"], sign_in["token"], sign_in["round"]) == ("[hidden]", "[hidden]", 7)


def test_requests_that_machines_repeat_are_logged_only_when_they_fail():
    handler = next(h for h in logging.getLogger().handlers if h.name == "stderr")
    written = io.StringIO()
    before = handler.setStream(written)
    log = structlog.get_logger("faro.requests")
    try:
        for code, request in (
            (200, "POST /studio/v1/report"),
            (403, "POST /studio/v1/report"),
            (200, "GET /healthz?x=1"),
            (200, "GET /tables/alexandria/"),
        ):
            log.warning("request_finished", code=code, request=request)
    finally:
        handler.setStream(before)
    said = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(line["code"], line["request"]) for line in said] == [
        (403, "POST /studio/v1/report"),
        (200, "GET /tables/alexandria/"),
    ]


@pytest.mark.parametrize(
    "path", ["/?q=a%00b", "/support/?q=%00", "/a%00b/", "/admin/players/?q=x%00", "/?%00=1"]
)
def test_a_nul_in_path_or_query_is_400_on_our_page_at_both_doors(web, path):
    answer = web.get(path)
    assert answer.status_code == 400
    assert b"<html" in answer.content


def test_a_nul_in_a_form_is_400_and_an_api_says_it_in_json(web):
    assert web.post("/language/setlang/", {"language": "de\x00"}).status_code == 400
    answer = web.get("/api/tables?x=%00")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "text/plain"])
@pytest.mark.parametrize("path", ["/studio/v1/report", "/payments/webhooks/simulated/"])
def test_a_form_sent_to_a_door_that_reads_bytes_is_refused_as_what_it_is(web, path, kind):
    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
    answer = web.generic("POST", path, body, content_type=kind)
    # no such provider in this test
    assert answer.status_code == (400 if path.startswith("/studio/") else 404)


@pytest.mark.parametrize(
    "path", ["/studio/v1/report", "/payments/webhooks/simulated/", "/language/setlang/"]
)
def test_whoever_hangs_up_in_the_middle_of_a_body_is_no_error_of_ours(web, path, monkeypatch):
    def hangs_up(*_args):
        raise OSError("connection reset by peer")

    monkeypatch.setattr("django.test.client.FakePayload.read", hangs_up)
    kind = "multipart/form-data; boundary=x"
    assert web.generic("POST", path, b"x" * 99, content_type=kind).status_code == 400


def test_a_nul_in_a_multipart_form_is_400(web):
    body = b'--x\r\nContent-Disposition: form-data; name="language"\r\n\r\nde\x00\r\n--x--\r\n'
    kind = "multipart/form-data; boundary=x"
    assert web.generic("POST", "/language/setlang/", body, content_type=kind).status_code == 400


def test_a_place_at_the_end_of_time_is_no_place(database):
    for at in (
        "0001-01-01T00:00:00+00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ):
        assert my_rounds.Cursor.read(f"{at}~{'0' * 32}") is None
    assert my_rounds.Cursor.read(f"2026-11-26T00:00:00+00:00~{'0' * 32}") is not None

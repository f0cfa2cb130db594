"""Round clips: what the worker archives, what it leaves, and who gets to see it."""

from __future__ import annotations

import hashlib
import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from threading import Barrier

import m3u8
import pytest
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from audit.database_clock import database_now
from kernel.clock import epoch_ms
from kernel.ids import new_id
from streaming import archive, journal, retention
from streaming.journal import Entry
from streaming.window import TICKS_PER_SECOND
from tables import clips, tasks
from tables.models import Incident, Round
from tables.play.evidence import Fault
from tables.play.suspension import suspend
from tests import house
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.usefixtures("database")

INIT_BYTES = b"an initialization section"
PAYLOAD = b"a segment of a second " * 100


@pytest.fixture
def home(settings, tmp_path):
    settings.STREAM_DIR = tmp_path / "live"
    settings.STREAM_ARCHIVE_DIR = tmp_path / "archive"
    return tmp_path


def client_of(player_id):
    client = Client()
    client.force_login(
        User.objects.get(pk=player_id),
        backend="accounts.authentication.PasswordAtOwnDoor",
    )
    return client


def played_round(*bettors) -> Round:
    pit = house.pit()
    pit.open_round()
    for player_id in bettors:
        fields = {"key": new_id().hex, "chip": "500", "position": "straight:17"}
        client_of(player_id).post("/tables/alexandria/bet/", fields)
    return pit.play(17)


def film(home, since, seconds, *, first=100, init="init-100.mp4"):
    """A table's live directory as the stream process leaves it: a segment a second."""
    table = home / "live" / "alexandria"
    (table / "360p").mkdir(parents=True, exist_ok=True)
    (table / "360p" / init).write_bytes(INIT_BYTES)
    for index in range(seconds):
        number = first + index
        (table / "360p" / f"segment-{number}.m4s").write_bytes(PAYLOAD + str(number).encode())
        starts_at_ms = epoch_ms(since + timedelta(seconds=index))
        entry = Entry(number, "360p", init, starts_at_ms, TICKS_PER_SECOND, "avc1.64001e")
        journal.append(table, entry)


def covering(home, played):
    """Film from 10 s before the round opened until 10 s after it finished."""
    since = played.opened_at - timedelta(seconds=10)
    film(home, since, int((played.finished_at - since).total_seconds()) + 10)


def run(now=None, rounds=200):
    now = now or database_now() + timedelta(minutes=1)
    return clips.archive_finished(now, rounds_per_table=rounds)


def directory(played):
    return clips.clip_of(played).directory(clips.settings.STREAM_ARCHIVE_DIR)


def names(path):
    return sorted(entry.name for entry in path.iterdir())


# --- archiving


def test_a_finished_rounds_clip_covers_it_and_two_seconds_on_either_side(home):
    played = played_round()
    covering(home, played)

    assert run() == clips.Run(stored=1)

    stored = m3u8.loads((directory(played) / "index.m3u8").read_text())
    first, last = stored.segments[0], stored.segments[-1]
    assert first.program_date_time <= played.opened_at - timedelta(seconds=2)
    assert first.program_date_time > played.opened_at - timedelta(seconds=3.01)
    ends_at = last.program_date_time + timedelta(seconds=last.duration)
    assert ends_at >= played.finished_at + timedelta(seconds=2)
    assert ends_at < played.finished_at + timedelta(seconds=3.01)
    assert (stored.playlist_type, stored.is_endlist) == ("vod", True)
    assert stored.target_duration == 1
    assert first.init_section.uri == "init-100.mp4"


def test_the_manifest_names_every_file_with_its_hash(home):
    played = played_round()
    covering(home, played)
    run()

    manifest = json.loads((directory(played) / "manifest.json").read_text())

    assert sorted([*manifest["files"], "manifest.json"]) == names(directory(played))
    for name, described in manifest["files"].items():
        data = (directory(played) / name).read_bytes()
        assert described == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert (manifest["table"], manifest["round"]) == ("alexandria", played.number)
    assert (manifest["picture"], manifest["rung"]) == (True, "360p")
    assert manifest["until_ms"] == epoch_ms(played.finished_at + timedelta(seconds=2))


def test_a_round_is_archived_once_and_the_second_run_finds_nothing_to_do(home):
    played = played_round()
    covering(home, played)
    run()
    before = {path: path.stat().st_mtime_ns for path in directory(played).iterdir()}

    assert run() == clips.Run()
    assert {path: path.stat().st_mtime_ns for path in directory(played).iterdir()} == before


def test_nothing_is_archived_before_the_picture_is_complete_and_told(home):
    played = played_round()
    covering(home, played)

    assert run(played.finished_at + timedelta(seconds=11)) == clips.Run()
    assert not directory(played).exists()
    assert run(played.finished_at + timedelta(seconds=12)) == clips.Run(stored=1)


def test_a_round_without_a_picture_gets_a_manifest_that_says_so(home):
    played = played_round()

    assert run() == clips.Run(without_picture=1)

    manifest = json.loads((directory(played) / "manifest.json").read_text())
    assert names(directory(played)) == ["manifest.json"]
    assert (manifest["picture"], manifest["covered_ms"], manifest["files"]) == (False, 0, {})
    assert clips.clip_url(played) == ""
    assert run() == clips.Run()


def test_two_workers_that_archive_the_same_round_leave_one_whole_clip(home):
    played = played_round()
    covering(home, played)
    clip, barrier = clips.clip_of(played), Barrier(2)

    def store():
        barrier.wait()
        return archive.store(clip, home / "live", home / "archive")

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(store) for _ in range(2)]
        results = [one.result() for one in both]

    assert sum(result is not None for result in results) >= 1
    assert names(directory(played).parent) == [str(played.number)]
    manifest = json.loads((directory(played) / "manifest.json").read_text())
    assert sorted([*manifest["files"], "manifest.json"]) == names(directory(played))


def test_a_clip_that_lost_the_race_leaves_the_winners_alone(home, monkeypatch):
    played = played_round()
    covering(home, played)
    clip = clips.clip_of(played)
    honest = archive._move

    def rival(*args):
        monkeypatch.setattr(archive, "_move", honest)
        assert archive.store(clip, home / "live", home / "archive") is not None
        return honest(*args)

    monkeypatch.setattr(archive, "_move", rival)

    assert archive.store(clip, home / "live", home / "archive") is None
    assert names(directory(played).parent) == [str(played.number)]


@contextmanager
def disk_of(bytes_max):
    """Files larger than this cannot be written: the kernel refuses it, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_leaves_nothing_and_the_round_is_archived_later(home):
    played = played_round()
    covering(home, played)

    with disk_of(1000):
        assert run() == clips.Run(failed=1)
    assert names(directory(played).parent) == []

    assert run() == clips.Run(stored=1)


def test_nothing_is_archived_onto_a_disk_that_is_nearly_full(home, monkeypatch):
    played = played_round()
    covering(home, played)
    monkeypatch.setattr(clips, "FREE_BYTES_MIN", 1 << 62)

    assert run() == clips.Run(failed=1)
    assert not directory(played).exists()


def test_a_hole_and_a_new_timeline_are_discontinuities_of_the_clip(home):
    played = played_round()
    since = played.opened_at - timedelta(seconds=2)
    film(home, since, 2)
    film(home, since + timedelta(seconds=2), 2, first=103)
    film(home, since + timedelta(seconds=4), 2, first=105, init="init-105.mp4")
    clip = clips.clip_of(played)
    wide = archive.Clip(clip.table, clip.number, clip.day, since, since + timedelta(seconds=6))

    assert archive.store(wide, home / "live", home / "archive").segments == 6
    stored = m3u8.loads((directory(played) / "index.m3u8").read_text())

    assert [segment.discontinuity for segment in stored.segments] == [
        False, False, True, False, True, False,
    ]  # fmt: skip
    assert stored.segments[4].init_section.uri == "init-105.mp4"


# --- retention


def test_old_live_segments_go_and_what_younger_ones_need_stays(home):
    film(home, datetime(2026, 6, 1, tzinfo=UTC), 3)
    film(home, datetime(2026, 6, 1, 0, 30, tzinfo=UTC), 2, first=200, init="init-200.mp4")
    table = home / "live" / "alexandria"
    (table / "poster.jpg").write_bytes(b"jpeg")
    (table / "numbering.json").write_bytes(b"{}")
    now = database_now()
    old = (now - timedelta(minutes=11)).timestamp()
    for path in [*table.glob("360p/*-10?.*"), min(table.glob("journal-*.jsonl"))]:
        os.utime(path, (old, old))

    assert retention.sweep_live(home / "live", now - timedelta(minutes=10)) == 5

    assert names(table / "360p") == ["init-200.mp4", "segment-200.m4s", "segment-201.m4s"]
    assert {"poster.jpg", "numbering.json"} <= set(names(table))
    assert [entry.number for entry in journal.read(table)] == [200, 201]


def test_the_sweeping_task_goes_by_the_setting(home, settings):
    film(home, datetime(2026, 6, 1, tzinfo=UTC), 3)
    assert tasks.sweep_segments() == 0
    settings.STREAM_KEEP_MINUTES = -1  # everything is older than a minute from now
    assert tasks.sweep_segments() == 4  # the newest init stays for segments to come
    assert names(home / "live" / "alexandria" / "360p") == ["init-100.mp4"]


@pytest.mark.feature("F31")
def test_clips_go_when_their_retention_ends_unless_a_hold_keeps_them(home):
    played = played_round()
    covering(home, played)
    for day, number in ((date(2026, 1, 1), 1), (date(2026, 1, 1), 2), (date(2026, 1, 2), 3)):
        clip = clips.clip_of(played)
        archive.store(
            archive.Clip("alexandria", number, day, clip.since, clip.until),
            home / "live",
            home / "archive",
        )
    table = home / "archive" / "alexandria"
    (table / "2026-01-01" / "2" / "hold").touch()
    (table / "2026-01-01" / ".7.abc123.tmp").mkdir()
    (table / "notes").mkdir()

    assert retention.sweep_archive(home / "archive", date(2026, 1, 2)) == 1

    assert names(table) == ["2026-01-01", "2026-01-02", "notes"]
    assert names(table / "2026-01-01") == ["2"]
    assert "manifest.json" in names(table / "2026-01-01" / "2")
    assert retention.sweep_archive(home / "archive", date(2026, 1, 3)) == 1
    assert names(table) == ["2026-01-01", "notes"]


@pytest.mark.feature("F31")
def test_the_daily_task_keeps_as_many_days_as_the_setting_says(home, settings, monkeypatch):
    played = played_round()
    covering(home, played)
    settings.STREAM_ARCHIVE_DAYS = 90
    finished = played.finished_at
    monkeypatch.setattr(tasks, "database_now", lambda: finished + timedelta(minutes=1))
    assert tasks.archive_clips() == 1
    day = timedelta(days=1)

    monkeypatch.setattr(tasks, "database_now", lambda: finished + 89 * day)
    assert tasks.keep_archive() == 0
    assert directory(played).exists()
    monkeypatch.setattr(tasks, "database_now", lambda: finished + 91 * day)
    assert tasks.keep_archive() == 1
    assert not directory(played).exists()


# --- who may see it


@pytest.fixture
def anna():
    return house.player(balance_minor=10_000)


@pytest.fixture
def clip(home, anna):
    played = played_round(anna)
    covering(home, played)
    run()
    return played


def test_who_bet_in_the_round_may_play_its_clip(clip, anna):
    address = clips.clip_url(clip)
    assert address == f"/rounds/{clip.id}/clip/index.m3u8"
    browser = client_of(anna)

    listed = m3u8.loads(browser.get(address).content.decode())
    segment = browser.get(f"/rounds/{clip.id}/clip/{listed.segments[0].uri}")

    assert segment.status_code == 200
    assert segment["Content-Type"] == "video/mp4"
    assert segment["Cache-Control"] == "private, max-age=3600, immutable"
    assert segment.content == (directory(clip) / listed.segments[0].uri).read_bytes()


def test_players_who_did_not_bet_and_visitors_find_no_clip(clip):
    address = clips.clip_url(clip)

    assert client_of(house.player(balance_minor=10_000)).get(address).status_code == 404
    assert Client().get(address).status_code == 404


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.AUDITOR, 200), (Role.SUPPORT, 200), (Role.PRESENTER, 404)],
)
def test_staff_see_a_clip_when_their_role_may_view_rounds(clip, role, status):
    address = clips.clip_url(clip, at_staff_door=True)
    assert address.startswith("/staff/rounds/")
    assert staff_client(role).get(address).status_code == status
    assert staff_client(role).get(clips.clip_url(clip)).status_code == 404  # the players' door


def test_staff_who_have_not_shown_their_second_factor_see_no_clip(clip):
    client = staff_client(Role.AUDITOR, verified=False)

    assert client.get(clips.clip_url(clip, at_staff_door=True)).status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "hold",
        "..",
        "segment-1.m4s",
        "%2e%2e%2fmanifest.json",
        "..%2f..%2fsecret.mp4",
    ],
)
def test_no_name_reaches_a_file_that_the_manifest_does_not_list(clip, anna, home, name):
    (home / "archive" / "secret.mp4").write_bytes(b"secret")
    (directory(clip) / "hold").touch()

    assert client_of(anna).get(f"/rounds/{clip.id}/clip/{name}").status_code == 404


def test_a_file_that_was_changed_after_archiving_is_not_shown(clip, anna):
    listed = m3u8.loads((directory(clip) / "index.m3u8").read_text())
    name = listed.segments[0].uri
    with (directory(clip) / name).open("r+b") as file:
        file.write(b"X")

    assert client_of(anna).get(f"/rounds/{clip.id}/clip/{name}").status_code == 404
    assert client_of(anna).get(clips.clip_url(clip)).status_code == 200


def test_a_round_in_play_has_no_clip(home, anna):
    pit = house.pit()
    playing = pit.open_round()

    assert clips.clip_url(playing) == ""
    assert client_of(anna).get(f"/rounds/{playing.id}/clip/index.m3u8").status_code == 404


# The recording of a stop, while its round is undecided


def stopped_round(home):
    pit = house.pit()
    round_ = pit.open_round()
    suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    incident = Incident.objects.get()
    film(home, round_.opened_at - timedelta(seconds=10), 60)
    return pit, incident


@pytest.mark.feature("F31")
def test_a_stop_is_recorded_while_its_round_is_undecided_and_the_pit_sees_it(home):
    pit, incident = stopped_round(home)
    client = staff_client(Role.PIT_BOSS)
    page = f"/floor/incidents/{incident.id}/"
    assert client.get(page).context["clip"] == ""
    assert clips.archive_stops(incident.opened_at + timedelta(seconds=21)) == clips.Run()
    assert clips.archive_stops(incident.opened_at + timedelta(seconds=22)) == clips.Run(stored=1)
    assert clips.archive_stops(incident.opened_at + timedelta(seconds=60)) == clips.Run()
    assert pit.round().finished_at is None
    address = client.get(page).context["clip"]
    assert address == f"{page}clip/index.m3u8"
    playlist = m3u8.loads(client.get(address).content.decode())
    assert playlist.is_endlist
    first, last = playlist.segments[0], playlist.segments[-1]
    since, until = incident.round.opened_at - clips.AROUND, incident.opened_at + clips.AFTER_STOP
    assert first.program_date_time <= since < first.program_date_time + timedelta(seconds=1)
    assert last.program_date_time < until <= last.program_date_time + timedelta(seconds=1)
    answer = client.get(f"{page}clip/{first.uri}")
    assert answer.content == (home / "live/alexandria/360p" / first.uri).read_bytes()
    assert client.get(f"{page}clip/manifest.json").status_code == 404
    for role in (Role.PRESENTER, Role.SUPPORT, Role.FINANCE):
        assert staff_client(role).get(address).status_code == 403


@pytest.mark.feature("F31")
def test_the_recording_of_a_stop_outlives_the_live_segments_and_goes_with_its_day(home):
    _, incident = stopped_round(home)
    clips.archive_stops(incident.opened_at + timedelta(minutes=1))
    retention.sweep_live(home / "live", incident.opened_at + timedelta(days=1))
    assert clips.stop_url(incident)
    day = incident.opened_at.astimezone(UTC).date()
    assert retention.sweep_archive(home / "archive", day) == 0
    assert retention.sweep_archive(home / "archive", day + timedelta(days=1)) == 1
    assert clips.stop_url(incident) == ""


@pytest.mark.feature("F31")
def test_until_a_stop_is_recorded_its_page_shows_the_live_picture(home, settings):
    settings.STREAM_URL = "https://stream.example.test"
    _, incident = stopped_round(home)
    page = staff_client(Role.PIT_BOSS).get(f"/floor/incidents/{incident.id}/").content.decode()
    assert 'data-clip="https://stream.example.test/live/alexandria/index.m3u8"' in page
    assert "is here half a minute after the stop" in page

"""What `bin/up` decides without starting anything."""

from __future__ import annotations

import json
import socket
import stat

import pytest

from casino import demo
from casino.supervisor import (
    command_line,
    configurations,
    environment,
    plan,
    ports,
    secret_file,
    services,
)
from casino.supervisor.failure import CannotStart
from casino.supervisor.ports import Ports
from casino.supervisor.processes import back_off_ms
from casino.supervisor.services import Services
from casino.supervisor.state import State
from casino.supervisor.terminal import welcome
from streaming import config, ladder

PORTS = Ports(
    web=8000, psp=8001, stream=8002, devices=tuple(range(8003, 8003 + configurations.DEVICE_PORTS))
)


@pytest.fixture
def state(tmp_path) -> State:
    found = State(tmp_path / "state")
    found.make()
    found.prepare()
    return found


def test_every_role_of_the_design_is_planned_once(state):
    names = [process.name for process in plan.processes("python", state, PORTS, server="daphne")]
    assert sorted(names) == sorted(
        ["web", "tables", "relay", "stream", "worker", "beat", "controller", "studio", "psp",
         "floor"]
    )  # fmt: skip


def test_the_house_opens_before_the_studio_and_closes_after_it(state):
    stages = {p.name: p.stage for p in plan.processes("python", state, PORTS, server="daphne")}
    assert stages["web"] < stages["studio"]
    assert stages["tables"] < stages["controller"]


def test_the_simulated_provider_drops_its_files_where_the_house_looks_for_them(state):
    planned = plan.processes("python", state, PORTS, server="daphne")
    [psp] = [process.command for process in planned if process.name == "psp"]
    said = dict(zip(psp[3::2], psp[4::2], strict=True))
    ours = environment.build({}, state, PORTS, Services("", "", ""), {})
    assert said["--files-dir"] == ours["RECONCILIATION_INBOX"] == str(state.root / "inbox")
    assert json.loads(ours["RECONCILIATION_ACCOUNTS"]) == {said["--bank-account"]: "main"}
    assert int(said["--settle-every-s"]) <= 300


def cameras_of(words, state):
    """What the stream and the studio are told of each table's camera."""
    options = command_line.parse(words)
    streamed = configurations.stream(options, state, PORTS)["tables"]
    simulated = configurations.studio(options, state, PORTS)["tables"]
    return streamed, [table["camera"] for table in simulated]


@pytest.mark.feature("F30")
def test_the_first_table_is_shown_in_every_quality_and_the_others_small(state):
    (first, second), simulated = cameras_of([], state)

    assert [rung["height"] for rung in first["ladder"]] == [360, 240, 540]
    assert [(rung["height"], rung["frames_per_second"]) for rung in second["ladder"]] == [(240, 5)]
    assert simulated == [
        {"port": 8006, "frames_per_second": 30},
        {"port": 8010, "frames_per_second": 5},
    ]
    assert [first["camera"], second["camera"]] == ["tcp://127.0.0.1:8006", "tcp://127.0.0.1:8010"]


def test_another_camera_takes_the_first_tables_place_only(state, tmp_path, monkeypatch):
    (first, second), _ = cameras_of(["--camera", "srt://10.0.0.5:9000"], state)
    assert (first["camera"], second["camera"]) == ("srt://10.0.0.5:9000", "tcp://127.0.0.1:8010")

    (tmp_path / "wheel.mp4").touch()
    monkeypatch.chdir(tmp_path)
    (first, _), _ = cameras_of(["--camera", "wheel.mp4"], state)
    assert first["camera"] == str(tmp_path / "wheel.mp4")


@pytest.mark.parametrize(
    ("camera", "why"), [("none.mp4", "there is no file"), ("concat://a|b", "takes")]
)
def test_a_camera_that_cannot_be_is_refused_before_anything_starts(camera, why, capsys):
    with pytest.raises(SystemExit) as refused:
        command_line.parse(["--camera", camera])
    assert refused.value.code == 2
    assert why in capsys.readouterr().err


def test_what_the_stream_is_told_is_what_it_reads(state):
    options = command_line.parse([])
    read = config.parse(configurations.stream(options, state, PORTS))

    assert [table.ladder for table in read.tables] == [ladder.FULL, ladder.TINY]
    assert [table.is_raw for table in read.tables] == [True] * len(demo.TABLES)


def test_running_processes_never_learn_the_owners_password(state):
    real = Services("postgresql://app@db/faro", "postgresql://owner:key@db/faro", "redis://r")
    given = {"DATABASE_OWNER_URL": "postgresql://owner:key@db/faro", "FARO_ROLE": "owner"}
    variables = environment.build(given, state, PORTS, real, {"SECRET_KEY": "s"})
    assert "DATABASE_OWNER_URL" not in variables
    assert "FARO_ROLE" not in variables
    assert "owner:key" not in str(variables)


def test_a_mode_that_a_person_set_wins_over_demo(state):
    real = Services("postgresql://app@db/faro", "", "redis://r")
    chosen = environment.build({"FARO_MODE": "production"}, state, PORTS, real, {})
    assert chosen["FARO_MODE"] == "production"
    assert environment.build({}, state, PORTS, real, {})["FARO_MODE"] == "demo"


@pytest.mark.parametrize(
    ("crashes", "pause_ms"), [(1, 500), (2, 1_000), (3, 2_000), (7, 30_000), (400, 30_000)]
)
def test_pauses_between_restarts_double_up_to_half_a_minute(crashes, pause_ms):
    assert back_off_ms(crashes) == pause_ms


def test_secrets_are_made_once_and_kept_for_their_owner_only(state):
    first = secret_file.load_or_make(state, {})
    assert stat.S_IMODE(state.secrets.stat().st_mode) == 0o600
    assert all(first.values())
    assert secret_file.load_or_make(state, {}) == first


def test_a_secret_from_the_environment_wins_and_is_not_written_down(state):
    found = secret_file.load_or_make(state, {"SECRET_KEY": "from outside"})
    assert found["SECRET_KEY"] == "from outside"
    assert "SECRET_KEY=" not in state.secrets.read_text()


def test_a_private_file_is_closed_to_others_even_where_it_was_open(state):
    path = state.root / "open"
    path.touch(mode=0o666)
    state.write_private(path, "key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_start_on_the_same_state_is_refused_in_one_line(state):
    held = state.lock()
    with pytest.raises(CannotStart, match=r"another bin/up \(process \d+\)") as refused:
        state.lock()
    assert "\n" not in str(refused.value)
    assert held > 0


def test_reset_leaves_a_directory_that_is_not_ours_alone(tmp_path):
    (tmp_path / "letters.txt").write_text("precious")
    foreign = State(tmp_path)
    foreign.make()
    with pytest.raises(CannotStart, match="not made by Faro"):
        foreign.reset()
    assert (tmp_path / "letters.txt").read_text() == "precious"


def test_reset_forgets_data_and_keys(state):
    secret_file.load_or_make(state, {})
    (state.root / "postgres").mkdir()
    (state.root / "postgres" / "password").touch()
    state.reset()
    assert {path.name for path in state.root.iterdir()} == {"lock", "faro-state"}


def test_a_taken_port_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=f"port {port} is in use") as refused:
            ports.choose(port, devices=0)
    assert "\n" not in str(refused.value)


def test_the_other_ports_are_free_and_distinct():
    chosen = ports.choose(0, devices=6)
    assert len({chosen.web, chosen.psp, chosen.stream, *chosen.devices}) == 9


def test_real_servers_mean_that_nothing_embedded_starts(state, monkeypatch):
    def never(*_args, **_kwargs):
        raise AssertionError("an embedded server was made")

    monkeypatch.setattr(services.postgres, "Cluster", never)
    monkeypatch.setattr(services.valkey, "Server", never)
    given = {
        "DATABASE_URL": "postgresql://app@db/faro",
        "DATABASE_OWNER_URL": "postgresql://owner@db/faro",
        "REDIS_URL": "redis://cache/0",
    }
    started = services.start(state, given)
    assert started.runtime() == {
        "DATABASE_URL": "postgresql://app@db/faro",
        "REDIS_URL": "redis://cache/0",
        "FARO_EMBEDDED_DATABASE": "",
    }
    assert list(started.watch()) == []
    started.stop()


def test_a_broken_wheel_is_one_clear_line(state, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(CannotStart, match="the embedded PostgreSQL wheel is not installed"):
        services.start(state, {})


def test_half_a_database_is_refused(state):
    with pytest.raises(CannotStart, match="set both DATABASE_URL"):
        services.start(state, {"DATABASE_URL": "postgresql://app@db/faro", "REDIS_URL": "redis://"})
    assert not (state.root / "postgres").exists()


def test_the_welcome_names_every_login_with_a_key_that_an_authenticator_takes(state, capsys):
    state.demo.write_text(
        '{"logins": [{"role": "auditor", "email": "a@faro.example", "password": "p", '
        '"totp_key": "48656c6c6f21deadbeef"}]}'
    )
    welcome("http://127.0.0.1:8000", state, {})
    said = capsys.readouterr().err
    assert "auditor         a@faro.example" in said
    assert "JBSWY3DPEHPK3PXP" in said
    assert "http://127.0.0.1:8000/admin/" in said

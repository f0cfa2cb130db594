"""The controller's configuration: what it may say of itself, and one line for each mistake."""

import json

import pytest

from studio.controller.config import BadConfig, load, read
from studio.protocol.signatures import generate_key

OWN = {
    "controller_device": "alexandria-controller",
    "controller_key_id": "alexandria-controller-1",
}


@pytest.fixture
def config(tmp_path):
    """A whole configuration with keys in files; ``table`` adds to its one table."""

    def with_table(**table):
        key = tmp_path / "key"
        key.write_text(generate_key().private_b64)
        every = {"id": "alexandria"}
        for kind, port in (("wheel", 7001), ("keypad", 7002)):
            every |= {
                kind: f"tcp://127.0.0.1:{port}",
                f"{kind}_device": f"alexandria-{kind}",
                f"{kind}_key_id": f"alexandria-{kind}-1",
                f"{kind}_private_b64_file": str(key),
            }
        return {
            "platform_url": "http://127.0.0.1:8000/",
            "state_dir": str(tmp_path),
            "tables": [every | table],
        }

    return with_table


def test_a_controller_without_a_key_of_its_own_speaks_for_its_devices_alone(config, tmp_path):
    path = tmp_path / "controller.json"
    path.write_text(json.dumps(config()))
    (table,) = load(path).tables
    assert (table.wheel.device, table.keypad.device) == ("alexandria-wheel", "alexandria-keypad")
    assert table.controller is None


def test_a_controller_with_a_key_is_a_device_without_an_address(config, tmp_path):
    (table,) = read(config(**OWN, controller_private_b64_file=str(tmp_path / "key"))).tables
    assert (table.controller.device, table.controller.address) == ("alexandria-controller", "")
    assert table.controller.key_id == "alexandria-controller-1"


def test_half_a_controller_is_refused_by_the_name_of_what_is_missing(config, tmp_path):
    with pytest.raises(BadConfig, match="controller_private_b64_file is not a text"):
        read(config(**OWN))
    key = {"controller_private_b64_file": str(tmp_path / "key")}
    with pytest.raises(BadConfig, match="controller_device is not a text"):
        read(config(**key, controller_key_id="alexandria-controller-1"))
    with pytest.raises(BadConfig, match="controller_private_b64_file cannot be read"):
        read(config(**OWN, controller_private_b64_file=str(tmp_path / "nothing")))

"""The house's directions, where import-linter cannot see them: relations and signals."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from django.apps import apps
from django.db import models

ROOT = Path(__file__).resolve().parent.parent.parent


def _layers() -> dict[str, int]:
    """App → height, from the same contract that the imports obey; the lowest is 0."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contract = next(c for c in linter["contracts"] if c["type"] == "layers")
    height = {}
    for level, layer in enumerate(reversed(contract["layers"])):
        for name in layer.split("|"):
            height[name.strip()] = level
    return height


def _forbidden(layers: dict[str, int]) -> list[str]:
    """Relations of our models to a model of a higher or neighbouring app of ours."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        source = model._meta.app_label
        for field in model._meta.get_fields():
            if not isinstance(field, models.ForeignKey | models.ManyToManyField):
                continue
            target = field.related_model._meta.app_label
            if source not in layers or target not in layers or source == target:
                continue
            if layers[target] >= layers[source]:
                found.append(f"{model._meta.label}.{field.name} → {target}")
    return found


def test_no_relation_points_up_or_sideways():
    assert _forbidden(_layers()) == []


def test_the_walk_would_notice_one():
    upside_down = {name: -height for name, height in _layers().items()}
    assert _forbidden(upside_down) != []


def test_every_app_of_ours_has_its_place_in_the_layers():
    ours = {c.label for c in apps.get_app_configs() if Path(c.path).is_relative_to(ROOT)
            and ".venv" not in c.path}  # fmt: skip
    assert ours <= set(_layers())


def test_nobody_listens_to_model_signals_of_ours():
    receivers = []
    for name in ("pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed"):
        for entry in getattr(models.signals, name).receivers:
            receiver = entry[1]() if callable(entry[1]) else entry[1]
            module = getattr(receiver, "__module__", "")
            if module.partition(".")[0] in _layers():
                receivers.append(f"{name}: {module}")
    assert receivers == []


def test_a_process_of_the_studio_starts_without_django():
    program = (
        "import sys; import studio.protocol.signatures, studio.protocol.report; "
        "sys.exit('django' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0

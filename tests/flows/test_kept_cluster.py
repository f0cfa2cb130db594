"""The kept cluster is taken only by tests whose migrations are the same, and only when finished."""

from __future__ import annotations

import pytest

from tests import kept_cluster
from tests.conftest import SUPER_URL, template_name


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_cluster, "ROOT", tmp_path)
    monkeypatch.setattr(kept_cluster, "KEPT", tmp_path / "clusters")
    step = tmp_path / "ledger" / "migrations" / "0001_initial.py"
    step.parent.mkdir(parents=True)
    step.write_text("first")
    return step


def test_another_text_or_name_of_a_migration_asks_for_another_cluster(elsewhere):
    seen = [kept_cluster.digest()]
    elsewhere.write_text("second")
    seen.append(kept_cluster.digest())
    elsewhere.rename(elsewhere.with_name("0002_initial.py"))
    seen.append(kept_cluster.digest())
    (elsewhere.parent / "read_by_nobody.pyc").write_text("compiled")
    assert len({*seen, kept_cluster.digest()}) == 3


def test_what_was_kept_half_is_not_fetched(elsewhere, tmp_path):
    assert kept_cluster.fetch(tmp_path / "home") is False
    kept_cluster._place().mkdir(parents=True)
    assert kept_cluster.fetch(tmp_path / "home") is False
    assert not (tmp_path / "home").exists()


def test_a_cluster_without_the_finished_template_is_not_kept(elsewhere):
    class Running:
        stopped = False

        def stop(self):
            self.stopped = True

    cluster = Running()
    kept_cluster.keep(cluster, SUPER_URL, "faro_template_unknown")
    assert not cluster.stopped
    assert not kept_cluster.KEPT.exists()
    assert template_name().startswith("faro_template_")

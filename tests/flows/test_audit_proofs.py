"""One row is proved to be under its seal, to somebody who sees no other."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import merkle, proofs, seals
from audit.keys import public_key_pem
from audit.models import AuditEvent
from audit.record import Subject, record, register
from audit.sealed_sources import AUDIT
from kernel.ids import Actor
from verify.__main__ import main
from verify.proof import root_of

SHOWN = register("test.proved", "Something to prove happened")


@pytest.fixture
def proof(database, settings, tmp_path):
    """The proof of the third of five rows."""
    settings.STATE_DIR = tmp_path / "state"
    for number in range(5):
        record(
            SHOWN, actor=Actor.system("test"), subject=Subject("thing", f"{number}"),
            component="test", after={"number": number},
        )  # fmt: skip
    (seal,) = seals.seal(AUDIT)
    (tmp_path / "key.pem").write_bytes(public_key_pem())
    key = list(seals.sealed_rows(AUDIT, seal.number))[2][0]
    out = StringIO()
    call_command("prove", "audit", key, stdout=out)
    return json.loads(out.getvalue())


def checked(tmp_path, proof) -> int:
    (tmp_path / "proof.json").write_text(json.dumps(proof))
    return main(["proof", str(tmp_path / "proof.json"), "--public-key", str(tmp_path / "key.pem")])


@pytest.mark.feature("F44", "F56")
def test_a_row_is_proved_by_its_path_and_any_change_of_the_proof_is_found(proof, tmp_path, capsys):
    assert (proof["index"], len(proof["path"])) == (2, 3)
    assert json.loads(proof["row"])["after"] == {"number": 2}
    assert checked(tmp_path, proof) == 0
    assert capsys.readouterr().out == "the row is under its seal\n"
    seal = proof["seal"]
    other = seal["payload"].replace('"count":5', '"count":6')
    for change, code in (
        ({"row": proof["row"].replace('"number":2', '"number":3')}, "root_differs"),
        ({"index": 3}, "root_differs"),
        ({"index": 5}, "root_differs"),
        ({"path": proof["path"][::-1]}, "root_differs"),
        ({"path": proof["path"][:-1]}, "root_differs"),
        ({"path": [*proof["path"], "00" * 32]}, "root_differs"),
        ({"source": "ledger"}, "broken_chain"),
        ({"seal": seal | {"payload": other}}, "bad_signature"),
    ):
        assert checked(tmp_path, proof | change) == 1
        assert code in capsys.readouterr().out
    assert checked(tmp_path, {"row": ""}) == 2


def test_what_is_under_no_seal_is_not_proved(proof):
    with pytest.raises(CommandError, match="no seal covers"):
        call_command("prove", "audit", "nothing", stdout=StringIO())
    with pytest.raises(CommandError, match="unknown source"):
        call_command("prove", "nowhere", "1", stdout=StringIO())


def test_paths_of_small_trees_are_exactly_these_and_both_programs_agree():
    a, b, c = (merkle.leaf_hash(bytes([one])) for one in range(3))
    assert merkle.inclusion_proof(0, [a, b, c]) == [b, c]
    assert merkle.inclusion_proof(2, [a, b, c]) == [merkle.node_hash(a, b)]
    for size in range(1, 18):
        leaves = [merkle.leaf_hash(bytes([one])) for one in range(size)]
        for index in range(size):
            path = merkle.inclusion_proof(index, leaves)
            assert root_of(leaves[index].hex(), index, size, path) == merkle.root(leaves).hex()


@pytest.mark.feature("F44", "F120")
def test_rows_under_many_seals_are_proved_by_few_statements_as_one_by_one(
    database, settings, tmp_path
):
    settings.STATE_DIR = tmp_path / "state"
    for number in range(2 * proofs.SEALS_AT_ONCE + 1):
        for part in range(2):
            record(
                SHOWN, actor=Actor.system("test"), subject=Subject("thing", f"{number} {part}"),
                component="test",
            )  # fmt: skip
        seals.seal(AUDIT)
    record(SHOWN, actor=Actor.system("test"), subject=Subject("thing", "new"), component="test")
    events = AuditEvent.objects.filter(kind=SHOWN).order_by("at", "id")
    asked = [(str(one.id), one.at) for one in events]
    with CaptureQueriesContext(connection) as statements:
        found = list(proofs.prove_all(AUDIT, asked))
    # the search, two more for the row that no seal covers yet, the rows, the seals three times
    assert len(statements) == 3 + 1 + 3
    assert [one["key"] for one in found] == [key for key, _ in asked[:-1]]
    for one in found[:: proofs.SEALS_AT_ONCE]:
        assert one == proofs.prove(AUDIT, one["key"])

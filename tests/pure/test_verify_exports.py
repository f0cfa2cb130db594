"""The outsiders' verifier: it accepts what was sealed, and finds every single change."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verify.__main__ import main
from verify.checks import run
from verify.findings import Code, Unusable
from verify.signed import EXPORT_CONTEXT, SEAL_CONTEXT, one_spelling
from verify.tree import leaf_hash, root

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
KEY_ID = hashlib.sha256(PUBLIC.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]
NOTHING = "0" * 64
BATCHES = (3, 1, 4)


def _row(number: int, minute: int) -> bytes:
    return one_spelling(
        {"v": 1, "id": f"event-{number}", "at": f"2026-03-01T12:{minute:02d}:00.000000Z", "ü": "é"}
    )


def _signed(payload: dict, context: bytes) -> bytes:
    body = one_spelling(payload | {"key": KEY_ID})
    signature = KEY.sign(context + body).hex()
    return one_spelling({"payload": body.decode(), "signature": signature}) + b"\n"


def _payload_hash(line: bytes) -> str:
    return hashlib.sha256(json.loads(line)["payload"].encode()).hexdigest()


def _seals(rows: list[bytes], batches: tuple[int, ...] = BATCHES) -> list[bytes]:
    lines, first, prev, prev_root = [], 1, NOTHING, NOTHING
    for number, count in enumerate(batches, start=1):
        head = root([leaf_hash(row) for row in rows[first - 1 : first - 1 + count]])
        payload = {
            "v": 1, "source": "audit", "number": number, "first": first, "count": count,
            "at": f"2026-03-01T12:{20 + number}:00.000000Z", "root": head, "prev": prev,
            "prev_root": prev_root,
        }  # fmt: skip
        lines.append(_signed(payload, SEAL_CONTEXT))
        first, prev, prev_root = first + count, _payload_hash(lines[-1]), head
    return lines


def _manifest(rows: int, seals: list[bytes]) -> bytes:
    facts = {"rows": rows, "seals": len(seals), "head": _payload_hash(seals[-1])}
    return _signed({"v": 1, "at": "x", "sources": {"audit": facts}}, EXPORT_CONTEXT)


@pytest.fixture
def export(tmp_path) -> Path:
    rows = [_row(number, number) for number in range(1, 9)]
    seals = _seals(rows)
    folder = tmp_path / "export"
    (folder / "audit").mkdir(parents=True)
    (folder / "audit" / "rows.jsonl").write_bytes(b"".join(row + b"\n" for row in rows))
    leaves = "".join(leaf_hash(row) + "\n" for row in rows)
    (folder / "audit" / "leaves.txt").write_text(leaves)
    (folder / "audit" / "seals.jsonl").write_bytes(b"".join(seals))
    (folder / "manifest.json").write_bytes(_manifest(8, seals))
    pem = PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(pem)
    return folder


def _check(export: Path, *anchors: Path):
    return run(export, export.parent / "key.pem", list(anchors))


def _lines(export: Path, name: str) -> list[bytes]:
    return (export / "audit" / name).read_bytes().splitlines(keepends=True)


def _write(export: Path, name: str, lines: list[bytes]) -> None:
    (export / "audit" / name).write_bytes(b"".join(lines))


def _first(export: Path) -> tuple:
    report = _check(export)
    assert len(report.findings) == 1
    finding = report.findings[0]
    return finding.code, finding.row, finding.seal


def test_an_untouched_export_holds(export):
    report = _check(export)
    assert (report.ok, report.rows, report.seals) == (True, 8, 3)


@pytest.mark.feature("F44")
@pytest.mark.parametrize(
    "name", ["manifest.json", "audit/rows.jsonl", "audit/leaves.txt", "audit/seals.jsonl"]
)
def test_every_single_flipped_byte_of_every_file_is_found(export, name):
    path = export / name
    whole = path.read_bytes()
    missed = []
    for index in range(len(whole)):
        path.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
        if _check(export).ok:
            missed.append(index)
    assert missed == []


@pytest.mark.feature("F44")
@pytest.mark.parametrize("row", range(1, 9))
def test_a_changed_row_is_named(export, row):
    lines = _lines(export, "rows.jsonl")
    lines[row - 1] = lines[row - 1].replace(b"event-", b"EVENT-")
    _write(export, "rows.jsonl", lines)
    assert _first(export) == (Code.ROW_CHANGED, row, {1: 1, 2: 1, 3: 1, 4: 2}.get(row, 3))


@pytest.mark.parametrize("row", range(1, 9))
def test_a_removed_row_is_named(export, row):
    lines = _lines(export, "rows.jsonl")
    del lines[row - 1]
    _write(export, "rows.jsonl", lines)
    code, found, _ = _first(export)
    assert (code, found) == (Code.ROW_MISSING if row == 8 else Code.ROW_CHANGED, row)


@pytest.mark.parametrize("row", range(1, 9))
def test_an_added_row_is_named(export, row):
    lines = _lines(export, "rows.jsonl")
    lines.insert(row - 1, _row(99, row) + b"\n")
    _write(export, "rows.jsonl", lines)
    assert _first(export)[:2] == (Code.ROW_CHANGED, row)


def test_a_row_added_after_the_last_is_found(export):
    for name, extra in (("rows.jsonl", _row(9, 9)), ("leaves.txt", leaf_hash(_row(9, 9)).encode())):
        _write(export, name, [*_lines(export, name), extra + b"\n"])
    assert _first(export)[:2] == (Code.EXTRA_ROWS, 9)


@pytest.mark.parametrize("row", range(1, 8))
def test_two_rows_in_another_order_are_named(export, row):
    lines = _lines(export, "rows.jsonl")
    lines[row - 1], lines[row] = lines[row], lines[row - 1]
    _write(export, "rows.jsonl", lines)
    assert _first(export)[:2] == (Code.ROW_CHANGED, row)


def test_a_row_changed_together_with_its_hash_is_found_by_the_root(export):
    lines = _lines(export, "rows.jsonl")
    lines[5] = _row(6, 7) + b"\n"
    _write(export, "rows.jsonl", lines)
    leaves = _lines(export, "leaves.txt")
    leaves[5] = leaf_hash(_row(6, 7)).encode() + b"\n"
    _write(export, "leaves.txt", leaves)
    assert _first(export) == (Code.ROOT_DIFFERS, 5, 3)


def test_a_wrong_hash_of_a_right_row_is_named(export):
    leaves = _lines(export, "leaves.txt")
    leaves[5] = b"f" * 64 + b"\n"
    _write(export, "leaves.txt", leaves)
    assert _first(export) == (Code.LEAF_CHANGED, 6, 3)


@pytest.mark.parametrize("seal", [1, 2, 3])
def test_a_removed_seal_is_found(export, seal):
    seals = _lines(export, "seals.jsonl")
    del seals[seal - 1]
    _write(export, "seals.jsonl", seals)
    code, _, found = _first(export)
    assert (code, found) == (Code.COUNTS_DIFFER, 2) if seal == 3 else (Code.BROKEN_CHAIN, seal)


def test_seals_in_another_order_or_twice_are_found(export):
    one, two, three = _lines(export, "seals.jsonl")
    for order in ([two, one, three], [one, three, two], [one, one, two, three]):
        _write(export, "seals.jsonl", order)
        assert _first(export)[0] == Code.BROKEN_CHAIN


def test_a_seal_by_another_key_is_not_accepted(export):
    seals = _lines(export, "seals.jsonl")
    payload = json.loads(seals[2])["payload"]
    stranger = Ed25519PrivateKey.generate().sign(SEAL_CONTEXT + payload.encode()).hex()
    seals[2] = one_spelling({"payload": payload, "signature": stranger}) + b"\n"
    _write(export, "seals.jsonl", seals)
    assert _first(export) == (Code.BAD_SIGNATURE, None, 3)


def test_an_export_cut_off_after_a_seal_is_found_by_its_signed_contents(export):
    for name, keep in (("rows.jsonl", 4), ("leaves.txt", 4), ("seals.jsonl", 2)):
        _write(export, name, _lines(export, name)[:keep])
    assert _first(export)[0] == Code.COUNTS_DIFFER


def test_a_history_rewritten_with_the_key_itself_is_found_by_a_kept_seal(export, tmp_path):
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes(_lines(export, "seals.jsonl")[1])
    assert _check(export, kept).ok
    rows = [_row(number, number) for number in (1, 2, 19, 4, 5, 6, 7, 8)]
    seals = _seals(rows)
    _write(export, "rows.jsonl", [row + b"\n" for row in rows])
    _write(export, "leaves.txt", [leaf_hash(row).encode() + b"\n" for row in rows])
    _write(export, "seals.jsonl", seals)
    (export / "manifest.json").write_bytes(_manifest(8, seals))
    assert _check(export).ok
    findings = _check(export, kept).findings
    assert [(f.code, f.seal) for f in findings] == [(Code.ANCHOR_DIFFERS, 2)]


def test_a_history_cut_short_with_the_key_itself_is_found_by_a_kept_seal(export, tmp_path):
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes(_lines(export, "seals.jsonl")[2])
    for name, keep in (("rows.jsonl", 4), ("leaves.txt", 4), ("seals.jsonl", 2)):
        _write(export, name, _lines(export, name)[:keep])
    (export / "manifest.json").write_bytes(_manifest(4, _lines(export, "seals.jsonl")))
    assert _check(export).ok
    findings = _check(export, kept).findings
    assert [(f.code, f.seal) for f in findings] == [(Code.ANCHOR_DIFFERS, 3)]


def test_a_backlog_of_hours_sealed_at_once_is_no_finding(export):
    """The sealer was down, or the source is new: the first seal is younger than all later rows."""
    rows = [
        _row(number, number).replace(b"2026-03-01T12:", b"2026-03-01T%02d:" % (number + 3))
        for number in range(1, 9)
    ]
    seals = _seals(rows)
    _write(export, "rows.jsonl", [row + b"\n" for row in rows])
    _write(export, "leaves.txt", [leaf_hash(row).encode() + b"\n" for row in rows])
    _write(export, "seals.jsonl", seals)
    (export / "manifest.json").write_bytes(_manifest(8, seals))
    assert _check(export).findings == []


def test_a_row_put_in_later_under_an_old_date_is_found(export):
    rows = [_row(number, number) for number in range(1, 9)]
    rows[7] = rows[7].replace(b"2026-03-01T12:08", b"2026-03-01T09:08")
    seals = _seals(rows)
    _write(export, "rows.jsonl", [row + b"\n" for row in rows])
    _write(export, "leaves.txt", [leaf_hash(row).encode() + b"\n" for row in rows])
    _write(export, "seals.jsonl", seals)
    (export / "manifest.json").write_bytes(_manifest(8, seals))
    assert _first(export) == (Code.BACKDATED, 8, 3)


def test_the_command_says_what_is_wrong_and_where(export, capsys):
    key = str(export.parent / "key.pem")
    assert main([str(export), "--public-key", key]) == 0
    assert capsys.readouterr().out == "8 rows under 3 seals: everything holds\n"
    lines = _lines(export, "rows.jsonl")
    _write(export, "rows.jsonl", [lines[1], lines[0], *lines[2:]])
    assert main([str(export), "--public-key", key, "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert (report["findings"][0]["code"], report["findings"][0]["row"]) == ("row_changed", 1)


@pytest.mark.parametrize("missing", ["key.pem", "export/manifest.json", "export/audit/rows.jsonl"])
def test_what_cannot_be_read_is_not_called_wrong(export, missing, capsys):
    (export.parent / missing).unlink()
    assert main([str(export), "--public-key", str(export.parent / "key.pem")]) == 2
    assert "verify:" in capsys.readouterr().err


def test_a_key_of_another_kind_is_unusable(export):
    (export.parent / "key.pem").write_text("nothing")
    with pytest.raises(Unusable):
        _check(export)


def test_the_program_runs_alone_without_the_platform(export):
    """Given only its own folder on the path: neither Django nor any app of ours is loaded."""
    program = (
        "import sys; from verify.__main__ import main; status = main(sys.argv[1:]);"
        "ours = {'django', 'audit', 'kernel', 'casino'} & set(sys.modules);"
        "sys.exit(9 if ours else status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(export), "--public-key", export.parent / "key.pem"],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

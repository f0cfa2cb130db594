"""Texts of files: records counted apart from the engine, whatever pieces they come in."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.files import plain_text
from payments.files.plain_text import Shape, _Records
from payments.files.words import FileRefused

pytestmark = [pytest.mark.feature("F67")]
CELLS = st.text(alphabet='ab," \n', max_size=6)


@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=8),
    piece=st.integers(min_value=1, max_value=7),
    blank=st.integers(min_value=0, max_value=3),
    ends=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_records_are_counted_whatever_stands_in_quotes(rows, piece, blank, ends):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n" + "\n" * blank).writerows(rows)
    text = out.getvalue() if ends else out.getvalue().rstrip("\n")
    records = _Records('"')
    for at in range(0, len(text), piece):
        records.look(text[at : at + piece])
    assert records.end() == len(rows)
    assert not records.is_within


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("chunk", [1, 2, 3, 1024])
def test_line_ends_come_out_as_one_kind(tmp_path, monkeypatch, end, chunk):
    monkeypatch.setattr(plain_text, "CHUNK", chunk)
    path = tmp_path / "a.csv"
    path.write_bytes(end.join(["#head", "a,b", '1,"x', 'é"', "2,y", "#total", ""]).encode())
    text = plain_text.separate(
        path, tmp_path / "body", Shape("utf-8", '"', head="#head", totals="#total")
    )
    assert text.body.read_text("utf-8") == 'a,b\n1,"x\né"\n2,y\n'
    assert (text.before, text.after, text.headings) == (("#head",), ("#total",), "a,b")
    assert (text.rows, text.is_open, text.first_row) == (2, False, 2)


@pytest.mark.parametrize("chunk", [1, 2, 5, 1024])
@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"a,b\n1,\xff\n", "wrong_encoding", 2),
        (b"a,b\n1,2\n3,\xc3", "wrong_encoding", 3),
        (b"a,b\n1,2\n3,\x00\n", "nul_byte", 3),
        (b"a,b\r\n1,2\n", "mixed_line_ends", 2),
        (b'a,b\r\n1,"x\ny"\r\n3,4\n', "mixed_line_ends", 4),
        (b"", "empty_file", None),
        (b"\xef\xbb\xbf\n\n", "empty_file", None),
    ],
)
def test_a_broken_text_is_told_with_its_line(tmp_path, monkeypatch, chunk, content, code, line):
    monkeypatch.setattr(plain_text, "CHUNK", chunk)
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(FileRefused) as refused:
        plain_text.separate(path, tmp_path / "body", Shape("utf-8", '"'))
    assert [(one.code.value, one.row) for one in refused.value.faults] == [(code, line)]

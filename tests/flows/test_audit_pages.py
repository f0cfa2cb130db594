"""The public page of seals and its downloads: for strangers, cheap, and enough to check us."""

from __future__ import annotations

import gzip
import json
import re

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from audit import pages, published, seals
from audit.checking import check_database
from audit.keys import public_key_pem, public_keys
from audit.sealed_sources import AUDIT
from tests.flows.seal_steps import happen, sealed, served
from tests.pure.verify_seals import KEY, OTHER_KEY, pem
from verify.__main__ import main

pytestmark = [pytest.mark.feature("F44", "F56"), pytest.mark.usefixtures("database")]

PAGE = "/seals/"
LINES = "/seals/audit.jsonl"


@pytest.fixture(autouse=True)
def _state(settings, tmp_path):
    settings.STATE_DIR = tmp_path / "state"


def words(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def old_key(key) -> str:
    return pem(key).decode().splitlines()[1]


def test_a_stranger_reads_the_newest_seals_of_every_source():
    *_, last = sealed(7)
    page = words(Client().get(PAGE))
    for wanted in (last.root.hex(), last.signature.hex(), json.loads(last.payload)["prev"]):
        assert wanted in page
    assert page.count("Seal before it") == published.SHOWN
    assert "Record of events" in page
    assert page.count("Nothing to seal yet.") == len(seals.sources()) - 1
    assert public_keys()[0].key_id in page
    assert "Bet" not in page  # nothing of what is sealed


def test_german_readers_get_german_words():
    sealed(1)
    page = words(Client().get(PAGE, headers={"accept-language": "de"}))
    assert "Die neuesten Siegel" in page
    assert "Protokoll der Ereignisse" in page


def test_every_page_leads_to_the_seals():
    assert 'href="/seals/"' in Client().get("/rules/").content.decode()
    assert "need not believe us" in words(Client().get("/help/"))


def test_the_page_asks_one_question_whatever_the_number_of_seals():
    def asked(path: str) -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert Client().get(path).getvalue()
        return [one["sql"] for one in queries if "audit_seal" in one["sql"]]

    sealed(1)
    few = {path: len(asked(path)) for path in (PAGE, "/seals/heads.json")}
    sealed(12)
    assert few == dict.fromkeys(few, 1)
    for path in few:
        (statement,) = asked(path)
        assert " LIMIT " in statement
        assert "keys" not in statement.partition("CROSS JOIN")[2]  # the hashes of every row
    assert len(asked(LINES)) <= 4


def test_the_file_holds_the_lines_that_lie_beside_the_database():
    made = sealed(3)
    answer = Client().get(LINES)
    body = answer.getvalue()
    assert body == b"".join(one.line() for one in made)
    assert body == seals.seals_file("audit").read_bytes()
    assert answer["Content-Type"] == "application/jsonl"
    assert answer["Cache-Control"] == "public, max-age=30"
    assert "Link" not in answer
    assert "Set-Cookie" not in answer
    assert Client().get(f"{LINES}?after=2").getvalue() == made[2].line()
    assert Client().get(f"{LINES}?after=3").getvalue() == b""
    assert Client().get(f"{LINES}?after=99").getvalue() == b""


def test_a_download_is_bounded_and_names_the_next_one(monkeypatch):
    monkeypatch.setattr(published, "LINES_MAX", 2)
    made = sealed(5)
    pieces, path = [], LINES
    while path:
        answer = Client().get(path)
        pieces.append(answer.getvalue())
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.get("Link", ""))
        assert answer["Cache-Control"] == f"public, max-age={86_400 if link else 30}"
        path = link[1] if link else ""
    assert [piece.count(b"\n") for piece in pieces] == [2, 2, 1]
    assert b"".join(pieces) == b"".join(one.line() for one in made)


def test_what_is_not_new_is_not_sent_again():
    sealed(2)
    tag = Client().get(LINES)["ETag"]
    again = Client().get(LINES, headers={"if-none-match": tag})
    assert (again.status_code, again.getvalue()) == (304, b"")
    sealed(1)
    assert Client().get(LINES, headers={"if-none-match": tag}).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/seals/nothing.jsonl", f"{LINES}?after=-1", f"{LINES}?after=x", f"{LINES}?after=²",
     f"{LINES}?after={'9' * 30}"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(path):
    assert Client().get(path).status_code == 404


def test_nobody_posts_here():
    for path in (PAGE, LINES, "/seals/keys.pem", "/seals/heads.json"):
        assert Client().post(path).status_code == 405
        assert Client().head(path).status_code == 200


def test_heads_and_keys_are_what_a_program_needs():
    *_, last = sealed(2)
    told = Client().get("/seals/heads.json").json()
    assert told["keys"] == [public_keys()[0].key_id]
    assert told["sources"]["audit"]["number"] == last.number
    assert list(told["sources"]) == ["audit"]
    happen()
    (following,) = seals.seal(AUDIT)
    assert json.loads(following.payload)["prev"] == told["sources"]["audit"]["head"]
    assert Client().get("/seals/keys.pem").content == public_key_pem()


def test_a_changed_key_leaves_old_seals_valid(settings, tmp_path):
    sealed(2)
    before = public_keys()[0]
    line = before.pem.splitlines()[1]
    settings.FARO_SEAL_KEY = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDY="
    sealed(2)
    (tmp_path / "without").mkdir()
    assert [one.code for one in check_database(tmp_path / "without").findings] == ["unknown_key"]
    settings.FARO_SEAL_OLD_KEYS = [line, old_key(OTHER_KEY)]
    (tmp_path / "with").mkdir()
    assert check_database(tmp_path / "with").findings == []
    assert [key.is_current for key in public_keys()] == [True, False, False]
    page = words(Client().get(PAGE))
    assert f"Earlier key {before.key_id}" in page
    assert before.pem.encode() in Client().get("/seals/keys.pem").content


@pytest.mark.parametrize("text", ["nonsense", "AAAA", old_key(KEY)[:-4]])
def test_an_old_key_that_is_none_is_refused(settings, text):
    settings.FARO_SEAL_OLD_KEYS = [text]
    with pytest.raises(ImproperlyConfigured, match="FARO_SEAL_OLD_KEYS"):
        public_keys()


def test_an_outsider_keeps_a_copy_and_finds_the_house_out(owner, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(published, "LINES_MAX", 2)
    key, copy = tmp_path / "key.pem", tmp_path / "copy"
    key.write_bytes(public_key_pem())
    sealed(5)
    with served() as house:
        fetch = ["fetch", house, str(copy), "--public-key", str(key)]
        assert main(fetch) == 0
        assert capsys.readouterr().out == "audit: 5 new seals\n"
        sealed(2)
        assert main(fetch) == 0
        assert capsys.readouterr().out == "audit: 2 new seals\n"
        assert main(fetch) == 0
        kept = (copy / "audit.jsonl").read_bytes()
        assert kept == seals.seals_file("audit").read_bytes()

        # the owner takes the last seal away, and seals its event anew: another date, another seal
        owner.execute("ALTER TABLE audit_seal DISABLE TRIGGER USER")
        owner.execute("DELETE FROM audit_seal WHERE number = 7")
        capsys.readouterr()
        assert main(fetch) == 1
        assert "BAD  audit: seal 7 seal_missing" in capsys.readouterr().out
        assert len(seals.seal(AUDIT)) == 1
        assert main(fetch) == 1
        assert "BAD  audit: seal 7 forked" in capsys.readouterr().out
    assert (copy / "audit.jsonl").read_bytes() == kept
    assert (copy / "contradictions.jsonl").read_bytes().count(b"\n") == 1
    assert main(["fetch", house, str(copy), "--public-key", str(key)]) == 2  # nobody answers


async def test_lines_are_streamed_under_asgi_as_well_and_compressed_where_asked(monkeypatch):
    monkeypatch.setattr(pages, "LINES_PER_PIECE", 2)
    made = await sync_to_async(sealed)(5)
    wanted = b"".join(one.line() for one in made)
    answer = await AsyncClient().get(LINES)
    pieces = [piece async for piece in answer]
    assert [piece.count(b"\n") for piece in pieces] == [2, 2, 1]
    assert b"".join(pieces) == wanted
    packed = await AsyncClient().get(LINES, headers={"accept-encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(b"".join([piece async for piece in packed])) == wanted
    again = await AsyncClient().get(LINES, headers={"if-none-match": packed["ETag"]})
    assert again.status_code == 304

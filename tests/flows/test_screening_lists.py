"""Lists become active whole or not at all; what is broken is refused with a code."""

import hashlib
import io
import os
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from accounts.rights import RightsCode
from accounts.roles import Role
from compliance.screening import lists, screening, watched
from compliance.screening.entries import ListCode
from kernel.clock import ManualClock
from kernel.refusal import Refused
from tests.flows.screening_steps import (
    HEAD,
    THREE,
    general,
    hits_of,
    load,
    named,
    ofac,
)
from tests.flows.staff_steps import officer

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F112")]

SDN = (
    b'36,"AEROCARIBBEAN AIRLINES",-0- ,"CUBA",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'
    b'2674,"ABBAS, Abu",individual,"SDGT","Director, of ""PLF""",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,'
    b'"DOB 10 Dec 1948; alt. DOB 1949; POB Haifa; nationality Syria; Gender Male."\r\n'
    b'9999,"MU\xd1OZ, Jos\xe9",individual,"SDNT",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n\x1a'
)
ALT = b'2674,12,"aka","ZAYDAN, Muhammad","-0- "\r\n2674,13,"aka","-0- ","-0- "\r\n\x1a'
ADD = b'36,25,"-0- ","Havana","Cuba","-0- "\r\n2674,26,"-0- ","-0- ","Korea, North","-0- "\r\n\x1a'


def entries(version):
    return {one.ref: one for _, _, one in lists.entries_of([version.id])}


def refused(act) -> Refused:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value


def test_the_three_files_are_joined_and_what_is_null_is_nothing():
    made = ofac(SDN, ALT, ADD)
    found = entries(made)
    assert (made.entries, made.names, made.is_active) == (3, 4, True)
    assert found["2674"].names == ("ABBAS, Abu", "ZAYDAN, Muhammad")
    assert found["2674"].births == ("1948-12-10", "1949")
    assert found["2674"].countries == ("KP", "SY")
    assert (found["36"].kind, found["36"].countries) == ("entity", ("CU",))
    assert found["9999"].names == ("MUÑOZ, José",)  # Latin-1, as the file was


def test_the_same_file_in_utf_8_with_a_mark_reads_the_same():
    utf8 = b"\xef\xbb\xbf" + SDN.decode("latin-1").encode()
    assert entries(ofac(utf8, ALT, ADD))["9999"].names == ("MUÑOZ, José",)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("part", [0.3, 0.5, 0.77, 0.98, "line"])
def test_a_file_cut_anywhere_is_refused_and_the_list_before_stays(part, place):
    before = ofac(SDN, ALT, ADD)
    files = [SDN, ALT, ADD]
    whole = files[place]
    end = whole.index(b"\r\n") + 2 if part == "line" else int(len(whole) * part)
    files[place] = whole[:end]
    answer = refused(lambda: ofac(*files))
    assert answer.code in {ListCode.CUT_OFF, ListCode.WRONG_COLUMNS, ListCode.ORPHAN}
    assert lists.active() == {"ofac-sdn": before}
    assert [one.code for one in lists.refused()] == [str(answer.code)]


def test_files_without_their_mark_are_whole_where_each_digest_says_so():
    files = [part.rstrip(b"\x1a") for part in (SDN, ALT, ADD)]
    assert refused(lambda: ofac(*files)).code == ListCode.CUT_OFF
    said = [hashlib.sha256(part).hexdigest() for part in files]
    assert refused(lambda: ofac(*files, sha256=" ".join(said[:2]))).code == ListCode.CUT_OFF
    assert ofac(*files, sha256=" ".join(said)).entries == 3


def test_names_and_countries_that_are_missing_are_a_list_that_shrank():
    rows = [
        (f"p{n}", "person", f"Name{n} Surname{n}", f"Alias{n}", "1960", "ru", "") for n in range(20)
    ]
    before = load(general(rows))
    for column, what in ((3, "names"), (4, "births"), (5, "countries")):
        cut = [(*row[:column], "", *row[column + 1 :]) for row in rows]
        assert refused(lambda cut=cut: load(general(cut))).data["what"] == what
    others = [(row[0], "entity", *row[2:]) for row in rows]
    assert refused(lambda: load(general(others))).data["what"] == "people"
    assert lists.active() == {"pep": before}


def test_the_first_list_of_a_name_takes_a_digest_or_its_number_of_entries():
    assert refused(lambda: load(sha256="")).code == ListCode.UNCONFIRMED
    assert refused(lambda: load(expected=4)).data == {"expected": 4, "now": 3}
    assert lists.active() == {}
    assert load(expected=3).entries == 3
    assert load(general(THREE[::-1]), sha256="").is_active  # the one before is measure enough


@pytest.mark.parametrize(
    "kind", ["individual", "Person", "P", "natural-person", "LegalEntity", "unknown", ""]
)
def test_whatever_a_list_calls_a_person_players_are_compared_with(kind):
    made = load(general([("p1", kind, "PUTIN, Vladimir", "", "", "", ""), THREE[2]]))
    assert lists.people(made.id) == 1
    player_id = named("Vladimir Putin")
    screening.run()
    assert [one.ref for one in hits_of(player_id)] == ["p1"]


def test_a_kind_that_nobody_knows_is_refused_and_not_read_as_a_ship():
    answer = refused(lambda: load(general([("p1", "Mensch", "PUTIN, Vladimir", "", "", "", "")])))
    assert answer.data == {"file": "list", "entry": "p1", "kind": "Mensch"}
    odd = SDN.replace(b",individual,", b",person?,")
    assert refused(lambda: ofac(odd, ALT, ADD)).code == ListCode.UNKNOWN_KIND
    assert lists.active() == {}


def test_an_entry_with_more_names_than_are_read_is_refused_and_not_shortened():
    many = ";".join(f"Name{n}" for n in range(200))
    answer = refused(lambda: load(general([("p1", "person", "A", many, "", "", "")])))
    assert (answer.code, answer.data["names"]) == (ListCode.TOO_MANY_NAMES, 201)


def test_a_file_cut_between_two_lines_misses_the_entries_of_the_others():
    whole_lines = SDN[: SDN.index(b"2674")] + b"\x1a"
    assert refused(lambda: ofac(whole_lines, ALT, ADD)).code == ListCode.ORPHAN
    assert lists.active() == {}


def test_a_list_that_shrinks_at_once_is_refused_unless_an_officer_says_why():
    rows = [(f"p{n}", "person", f"Name{n} Surname{n}", "", "", "", "") for n in range(100)]
    before = load(general(rows))
    answer = refused(lambda: load(general(rows[:89])))
    data = {"what": "entries", "before": 100, "now": 89}
    assert (answer.code, answer.data) == (ListCode.SHRANK, data)
    assert lists.active() == {"pep": before}
    assert load(general(rows[:90])).entries == 90
    assert load(general(rows[:40]), shrunk_because="Programme ended.").note == "Programme ended."


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (io.BytesIO(b""), ListCode.EMPTY),
        (io.BytesIO(HEAD.encode() + b"\n"), ListCode.EMPTY),
        (io.BytesIO(HEAD.encode("utf-16")), ListCode.NOT_TEXT),
        (io.BytesIO(b"ref,title\n1,x\n"), ListCode.WRONG_COLUMNS),
        (general([("p1", "person")]), ListCode.WRONG_COLUMNS),
        (general(end=""), ListCode.CUT_OFF),
        (general([*THREE, THREE[0]]), ListCode.DUPLICATE),
        (general([("", *THREE[0][1:])]), ListCode.BAD_ROW),
        (io.BytesIO(HEAD.encode() + b'\np1,person,"never closed,,,,\n'), ListCode.CUT_OFF),
    ],
)
def test_what_is_no_list_is_refused_with_a_code(file, code):
    assert refused(lambda: load(file)).code == code
    assert lists.active() == {}


def test_the_same_bytes_again_are_no_new_version():
    load()
    assert refused(load).code == ListCode.UNCHANGED
    assert len(lists.versions()) == 1
    assert lists.refused() == []


def test_a_digest_that_the_sender_gave_is_believed():
    assert refused(lambda: load(sha256="0" * 64)).code == ListCode.WRONG_DIGEST
    assert lists.active() == {}
    assert [one.code for one in lists.refused()] == [ListCode.WRONG_DIGEST]


def test_an_entry_that_did_not_change_is_the_same_row_in_the_next_version():
    first = load()
    changed = [THREE[0], (*THREE[1][:4], "1961", *THREE[1][5:]), THREE[2]]
    second = load(general(changed))
    ids = [{entry.ref: at for at, _, entry in lists.entries_of([v.id])} for v in (first, second)]
    assert ids[0]["p1"] == ids[1]["p1"]
    assert ids[0]["p2"] != ids[1]["p2"]


def test_loading_takes_the_right():
    assert refused(lambda: load(actor=officer(Role.SUPPORT))).code == RightsCode.NOT_ALLOWED
    assert load(actor=officer(Role.COMPLIANCE)).is_active


def test_a_list_is_loaded_by_command_and_a_broken_one_says_its_code(tmp_path, capsys):
    path = tmp_path / "list.csv"
    path.write_bytes(general().getvalue())
    call_command("load_screening_list", "pep", str(path), "--entries", "3")
    assert '"people": 2' in capsys.readouterr().out
    path.write_bytes(general(end="").getvalue())
    with pytest.raises(CommandError, match=r"list_cut_off.*the list before stays"):
        call_command("load_screening_list", "pep", str(path))


def test_what_is_laid_into_the_directory_is_loaded_once_it_has_settled(tmp_path):
    folder = tmp_path / "pep"
    folder.mkdir()
    (folder / "list.csv").write_bytes(general().getvalue())
    said = folder / "list.csv.sha256"
    said.write_text(hashlib.sha256(general().getvalue()).hexdigest() + "  list.csv\n")
    written = datetime(2026, 5, 1, tzinfo=UTC)
    for path in (folder / "list.csv", said):
        os.utime(path, (written.timestamp(), written.timestamp()))
    clock = ManualClock(written + timedelta(seconds=5))
    assert watched.load_changed(tmp_path, clock) == []  # perhaps still being written
    clock.advance(timedelta(seconds=6))
    assert [one.source for one in watched.load_changed(tmp_path, clock)] == ["pep"]
    assert watched.load_changed(tmp_path, clock) == []
    (folder / "list.csv").write_bytes(general().getvalue()[:-20])
    os.utime(folder / "list.csv", (written.timestamp() + 1, written.timestamp() + 1))
    assert watched.load_changed(tmp_path, clock) == []
    assert lists.active()["pep"].entries == 3
    assert len(lists.refused()) == 1


def laid(folder, name, data, clock):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    settled = clock.now().timestamp() - 60
    os.utime(folder / name, (settled, settled))
    clock.advance(timedelta(seconds=1))


def test_what_is_wrong_in_the_directory_is_told_once_and_a_mended_digest_is_read(tmp_path):
    clock, folder = ManualClock(datetime(2026, 5, 1, tzinfo=UTC)), tmp_path / "pep"
    laid(folder, "list.csv", general().getvalue(), clock)
    laid(folder, "list.csv.sha256", b"\n", clock)
    laid(tmp_path / "ofac-sdn", "alt.csv", ALT, clock)
    for _ in range(2):
        assert watched.load_changed(tmp_path, clock) == []
    assert {(one.source, one.code) for one in lists.refused()} == {
        ("pep", "list_wrong_digest"),
        ("ofac-sdn", "list_missing_file"),
    }
    assert len(lists.refused()) == 2
    laid(
        folder, "list.csv.sha256", hashlib.sha256(general().getvalue()).hexdigest().encode(), clock
    )
    assert [one.source for one in watched.load_changed(tmp_path, clock)] == ["pep"]


def test_a_digest_that_is_no_text_refuses_its_list_once_and_stops_no_other(tmp_path):
    clock = ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    digest = hashlib.sha256(general().getvalue()).hexdigest()
    for source, said in (("a", digest.encode("utf-16")), ("b", digest.encode())):
        laid(tmp_path / source, "list.csv", general().getvalue(), clock)
        laid(tmp_path / source, "list.csv.sha256", said, clock)
    assert [one.source for one in watched.load_changed(tmp_path, clock)] == ["b"]
    assert watched.load_changed(tmp_path, clock) == []
    assert [(one.source, one.code) for one in lists.refused()] == [("a", "list_wrong_digest")]
    laid(tmp_path / "a", "list.csv.sha256", digest.encode() + b"\n", clock)
    assert [one.source for one in watched.load_changed(tmp_path, clock)] == ["a"]


def test_a_folder_that_could_not_be_loaded_is_tried_again_and_stops_no_other(tmp_path, monkeypatch):
    clock = ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    digest = hashlib.sha256(general().getvalue()).hexdigest().encode()
    for source in ("a", "b"):
        laid(tmp_path / source, "list.csv", general().getvalue(), clock)
        laid(tmp_path / source, "list.csv.sha256", digest, clock)
    load_it = lists.load

    def fail(loading, *, actor):
        if loading.source == "a":
            raise OperationalError("gone")
        return load_it(loading, actor=actor)

    monkeypatch.setattr(lists, "load", fail)
    assert [one.source for one in watched.load_changed(tmp_path, clock)] == ["b"]
    monkeypatch.setattr(lists, "load", load_it)
    assert [one.source for one in watched.load_changed(tmp_path, clock)] == ["a"]

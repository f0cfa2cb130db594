"""Names as people write them against names as a zone writes them."""

from __future__ import annotations

import pytest

from compliance.kyc.names import Likeness, likeness

pytestmark = pytest.mark.feature("F108")


@pytest.mark.parametrize(
    ("account", "zone", "answer"),
    [
        ("Anna Maria Eriksson", "ERIKSSON ANNA MARIA", Likeness.SAME),
        ("Jürgen Müller", "MUELLER JUERGEN", Likeness.SAME),
        ("Jürgen Müller", "MULLER JURGEN", Likeness.SAME),
        ("Björn Strauß", "STRAUSS BJOERN", Likeness.SAME),
        ("José Núñez", "NUNXXEZ JOSE", Likeness.SAME),
        ("Søren Ångström", "AANGSTROEM SOEREN", Likeness.SAME),
        ("Łukasz Wójcik", "WOJCIK LUKASZ", Likeness.SAME),
        ("Seán O’Connor", "OCONNOR SEAN", Likeness.SAME),
        ("Anne-Marie Dubois", "DUBOIS ANNE MARIE", Likeness.SAME),
        ("Jan van der Berg", "VANDERBERG JAN", Likeness.DIFFERENT),
        ("van der Berg", "VANDERBERG", Likeness.SAME),
        ("Владимир Щукин", "SHCHUKIN VLADIMIR", Likeness.SAME),
        ("Дмитрий Соловьёв", "SOLOVEV DMITRII", Likeness.SAME),
        ("Γιώργος Παππάς", "PAPPAS GIORGOS", Likeness.SAME),
        ("Anna Eriksson", "ERIKSSON ANNA MARIA", Likeness.PART),
        ("Anna Maria Eriksson", "ERIKSSON ANNA", Likeness.PART),
        ("Maria Garcia", "GARCIA MARIO", Likeness.DIFFERENT),
        ("Vladimir Putin", "PUTIN VLADIMIR", Likeness.SAME),
        ("", "ERIKSSON ANNA", Likeness.DIFFERENT),
        ("<script>", "ERIKSSON ANNA", Likeness.DIFFERENT),
        ("王小明", "WANG XIAOMING", Likeness.DIFFERENT),
    ],
)
def test_names_agree_as_far_as_their_words_do(account, zone, answer):
    assert likeness(account, zone) is answer


def test_a_cut_name_agrees_with_what_it_began():
    full = "Chayapa Dejthamrong Krasuang Nilavadhanananda"
    cut = "NILAVADHANANANDA CHAYAPA DEJTHAMRONG KRAS"
    assert likeness(full, cut) is Likeness.DIFFERENT
    assert likeness(full, cut, other_is_cut=True) is Likeness.SAME
    assert likeness("Somebody Else", cut, other_is_cut=True) is Likeness.DIFFERENT

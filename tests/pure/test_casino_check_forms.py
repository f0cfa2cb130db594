"""The check's browser sends what a real one would."""

from __future__ import annotations

from casino.check.forms import forms_of

PAGE = """
<form action="/search"><input name="q"></form>
<form method="POST" action="/bet/">
  <input type="hidden" name="key" value="k1">
  <input type="radio" name="chip" value="50">
  <input type="radio" name="chip" value="100" checked>
  <input type="checkbox" name="terms">
  <select name="country">
    <option value="DE">D</option><option value="MT" selected>M</option>
  </select>
  <textarea name="note"></textarea>
  <button name="position" value="red">Red</button>
  <button disabled hidden></button>
  <fieldset disabled><button name="position" value="black">Black</button></fieldset>
</form>
"""


def test_a_form_has_its_address_method_and_present_values():
    search, bet = forms_of(PAGE)
    assert (search.method, search.action, search.fields) == ("get", "/search", {"q": ""})
    assert (bet.method, bet.action) == ("post", "/bet/")
    assert bet.fields == {"key": "k1", "chip": "100", "country": "MT", "note": ""}


def test_unchosen_boxes_are_known_but_not_sent():
    bet = forms_of(PAGE)[1]
    assert "terms" not in bet.fields
    assert bet.choices == {"chip": ["50", "100"], "terms": ["on"], "country": ["DE", "MT"]}


def test_what_is_disabled_cannot_be_pressed():
    assert forms_of(PAGE)[1].buttons == [("position", "red")]

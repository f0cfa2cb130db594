"""Where pages find a table's picture."""

from __future__ import annotations

from streaming.addresses import playlist_url, poster_url


def test_addresses_are_those_of_the_origin(settings):
    settings.STREAM_URL = "https://live.example"

    assert playlist_url("cordouan") == "https://live.example/live/cordouan/index.m3u8"
    assert poster_url("cordouan") == "https://live.example/live/cordouan/poster.jpg"


def test_an_installation_without_a_stream_has_no_addresses(settings):
    settings.STREAM_URL = ""

    assert (playlist_url("cordouan"), poster_url("cordouan")) == ("", "")

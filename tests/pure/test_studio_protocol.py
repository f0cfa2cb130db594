"""The studio's messages: one byte form, closed kinds, signatures that notice any change."""

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.protocol.heartbeat import Heartbeat, sign_heartbeat, verify_heartbeat
from studio.protocol.messages import (
    Malformed,
    Observation,
    ObservationKind,
    decode,
    encode,
)
from studio.protocol.report import (
    ALIVE_MAX,
    OBSERVATIONS_MAX,
    Answer,
    Cue,
    Order,
    Report,
    decode_answer,
    decode_report,
    encode_answer,
    encode_report,
)
from studio.protocol.signatures import (
    BadSignature,
    Signed,
    generate_key,
    sign,
    sign_bytes,
    verify,
)

RESULT = Observation(
    "wheel.alexandria", "alexandria", 7, ObservationKind.RESULT, 1_700_000_000_000,
    {"number": 17, "spin": 256},
)  # fmt: skip
EXAMPLES = [
    RESULT,
    replace(
        RESULT,
        kind=ObservationKind.WHEEL_STATE,
        data={"state": 4, "spin": 3, "rpm_tenths": 151, "direction": 1, "flags": 8},
    ),
    replace(RESULT, kind=ObservationKind.SPIN_STARTED, data={"spin": 1, "direction": 0}),
    replace(RESULT, kind=ObservationKind.NO_SPIN, data={"reason": "wrong_direction"}),
    replace(RESULT, kind=ObservationKind.DEVICE_FAULT, data={"code": "silent"}),
    replace(RESULT, kind=ObservationKind.DEVICE_OK, data={}),
    replace(RESULT, kind=ObservationKind.PRESENTER_CONFIRM, data={"number": 0}),
    replace(RESULT, kind=ObservationKind.PRESENTER_NO_SPIN, data={"reason": "ball_removed"}),
    replace(RESULT, kind=ObservationKind.PRESENTER_CALL, data={}),
]


@pytest.mark.parametrize("observation", EXAMPLES, ids=lambda o: o.kind.value)
def test_each_kind_reads_back_as_written(observation):
    assert decode(encode(observation)) == observation


def test_the_bytes_of_a_result_are_fixed():
    assert encode(RESULT) == (
        b'{"at":1700000000000,"data":{"number":17,"spin":256},"device":"wheel.alexandria",'
        b'"kind":"result","seq":7,"table":"alexandria","v":1}'
    )


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"number": 37, "spin": 1}},
        {"data": {"number": -1, "spin": 1}},
        {"data": {"number": True, "spin": 1}},
        {"data": {"number": "17", "spin": 1}},
        {"data": {"number": 17, "spin": 257}},
        {"data": {"number": 17}},
        {"data": {"number": 17, "spin": 1, "extra": 1}},
        {"seq": 0},
        {"seq": 2**53},
        {"captured_at_ms": -1},
        {"device": "Wheel"},
        {"device": ""},
        {"table": "a" * 65},
        {"kind": ObservationKind.NO_SPIN, "data": {"reason": "No Spin!"}},
    ],
)
def test_what_is_out_of_range_can_be_neither_written_nor_signed(change):
    with pytest.raises(Malformed):
        encode(replace(RESULT, **change))
    with pytest.raises(Malformed):
        sign(replace(RESULT, **change), generate_key().private_b64, "k1")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"v":2}',
        encode(RESULT) + b" ",
        encode(RESULT).replace(b'"seq":7', b'"seq":7.0'),
        encode(RESULT).replace(b'"seq":7', b'"seq":true'),
        encode(RESULT).replace(b'"result"', b'"jackpot"'),
        encode(RESULT).replace(b'"seq":7', b'"seq":7,"seq":7'),
        encode(RESULT).replace(b'"seq":7', b'"seq":7,"tip":1'),
        encode(RESULT).replace(b"17,", b"NaN,"),
        encode(RESULT).replace(b'"v":1', b'"v":true'),
        b"[" * 4000,
        b'{"v":1,"pad":"' + b"x" * 5000 + b'"}',
    ],
)
def test_bytes_that_are_not_canonical_are_refused(payload):
    with pytest.raises(Malformed):
        decode(payload)


def test_a_signed_observation_is_read_back_and_every_changed_bit_is_noticed():
    key = generate_key()
    signed = sign(RESULT, key.private_b64, "wheel-2025")
    assert verify(signed, key.public_b64) == RESULT
    for index in range(len(signed.payload)):
        changed = bytearray(signed.payload)
        changed[index] ^= 1
        with pytest.raises(BadSignature):
            verify(replace(signed, payload=bytes(changed)), key.public_b64)
    for index in range(len(signed.signature)):
        changed = bytearray(signed.signature)
        changed[index] ^= 1
        with pytest.raises(BadSignature):
            verify(replace(signed, signature=bytes(changed)), key.public_b64)


def test_another_key_or_another_key_name_is_refused():
    key, other = generate_key(), generate_key()
    signed = sign(RESULT, key.private_b64, "wheel-2025")
    with pytest.raises(BadSignature):
        verify(signed, other.public_b64)
    with pytest.raises(BadSignature):
        verify(replace(signed, key_id="wheel-2026"), key.public_b64)


def test_a_short_signature_is_refused_and_a_bad_key_is_named():
    key = generate_key()
    signed = sign(RESULT, key.private_b64, "k")
    with pytest.raises(BadSignature):
        verify(replace(signed, signature=b""), key.public_b64)
    with pytest.raises(Malformed):
        verify(signed, "AAAA")
    with pytest.raises(Malformed):
        verify(signed, "not base64!")
    with pytest.raises(Malformed):
        verify(replace(signed, key_id="K 1"), key.public_b64)


def test_a_report_reads_back_with_its_signatures_intact():
    key = generate_key()
    beat = Heartbeat("wheel.alexandria", "alexandria", 1_700_000_000_000)
    report = Report(
        "alexandria",
        tuple(sign(o, key.private_b64, "k") for o in EXAMPLES),
        (sign_heartbeat(beat, key.private_b64, "k"),),
    )
    read = decode_report(encode_report(report))
    assert read == report
    assert [verify(item, key.public_b64) for item in read.observations] == EXAMPLES
    assert [verify_heartbeat(item, key.public_b64) for item in read.alive] == [beat]
    empty = b'{"table":"alexandria","observations":[],"alive":[]}'
    assert decode_report(empty) == Report("alexandria")


def test_a_heartbeat_is_no_observation_and_an_observation_no_heartbeat():
    key = generate_key()
    beat = sign_heartbeat(Heartbeat("wheel.a", "a", 1), key.private_b64, "k")
    with pytest.raises(BadSignature):
        verify(beat, key.public_b64)
    with pytest.raises(BadSignature):
        verify_heartbeat(sign(RESULT, key.private_b64, "k"), key.public_b64)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'{"at":1,"device":"wheel.a","table":"a"}',
        b'{"at": 1,"device":"wheel.a","table":"a","v":1}',
        b'{"at":true,"device":"wheel.a","table":"a","v":1}',
        b'{"at":-1,"device":"wheel.a","table":"a","v":1}',
        b'{"at":1,"device":"Wheel","table":"a","v":1}',
        b'{"at":1,"device":"wheel.a","more":1,"table":"a","v":1}',
    ],
)
def test_a_heartbeat_in_another_form_is_refused_however_well_it_is_signed(payload):
    key = generate_key()
    signed = sign_bytes(b"faro studio heartbeat v1\n", payload, key.private_b64, "k")
    with pytest.raises(Malformed):
        verify_heartbeat(signed, key.public_b64)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"table":"a"}',
        b'{"table":"A","observations":[],"alive":[]}',
        b'{"table":"a","observations":{},"alive":[]}',
        b'{"table":"a","observations":[]}',
        b'{"table":"a","observations":[],"alive":[],"more":1}',
        b'{"table":"a","observations":[],"alive":[{"p":"AA==","s":"AA=="}]}',
        b'{"table":"a","observations":[{"p":"AA==","s":"AA=="}],"alive":[]}',
        b'{"table":"a","observations":[{"p":"A","s":"AA==","k":"k"}],"alive":[]}',
        b'{"table":"a","observations":[{"p":"AA==","s":1,"k":"k"}],"alive":[]}',
        json.dumps(
            {"table": "a", "observations": [{"p": "A" * 6000, "s": "AA==", "k": "k"}], "alive": []}
        ).encode(),
        json.dumps(
            {
                "table": "a",
                "observations": [{"p": "", "s": "", "k": "k"}] * (OBSERVATIONS_MAX + 1),
                "alive": [],
            }
        ).encode(),
        json.dumps(
            {
                "table": "a",
                "observations": [],
                "alive": [{"p": "", "s": "", "k": "k"}] * (ALIVE_MAX + 1),
            }
        ).encode(),
        b"[" * 100_000,
    ],
)
def test_a_malformed_report_is_refused(body):
    with pytest.raises(Malformed):
        decode_report(body)


def test_an_answer_reads_back_and_ignores_fields_it_does_not_know():
    answer = Answer({"wheel.a": 9}, Cue("betting_open", 17, 1000, 900, Order.LAUNCH))
    assert decode_answer(encode_answer(answer)) == answer
    value = json.loads(encode_answer(answer))
    value["cue"]["tip"] = "later"
    assert decode_answer(json.dumps(value).encode()) == answer


@pytest.mark.parametrize(
    "change",
    [
        {"acked": []},
        {"acked": {"wheel.a": -1}},
        {"acked": {"wheel.a": "9"}},
        {"acked": {"Wheel": 9}},
        {"cue": None},
        {"cue": {"phase": "x", "order": "dance"}},
        {"cue": {"phase": 1, "order": "wait"}},
        {"cue": {"phase": "x", "order": "wait", "round": "17"}},
    ],
)
def test_a_malformed_answer_is_refused(change):
    value = {"acked": {}, "cue": {"phase": "x", "order": "wait"}} | change
    with pytest.raises(Malformed):
        decode_answer(json.dumps(value).encode())


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused_and_never_crash(body):
    for read in (decode, decode_report, decode_answer):
        try:
            read(body)
        except Malformed:
            continue
    key = generate_key()
    with pytest.raises((BadSignature, Malformed)):
        verify(Signed(body, base64.b64decode("AAAA"), "k"), key.public_b64)

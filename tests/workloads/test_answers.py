"""Answers are plain data, compared without ever being executed."""

from __future__ import annotations

import base64
import io
import json
import math
import pickle
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.models.task import Tolerance
from pytest_isobench.workloads.answers import BadAnswerError, decode, difference
from pytest_isobench.workloads.oracle import encode
from pytest_isobench.workloads.worker import decode as worker_decode
from pytest_isobench.workloads.worker import encode_other

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TIGHT: dict[str, Tolerance] = {}


@given(PLAIN)
def test_plain_data_survives_the_way_and_equals_itself(value):
    payload = json.dumps(value, default=encode_other).encode()
    assert difference(decode(payload), value, TIGHT) is None
    assert encode(decode(payload)) == encode(worker_decode(payload))


@given(PLAIN, PLAIN)
def test_only_equal_values_are_equal(one, other):
    assert (difference(one, other, TIGHT) is None) == (encode(one) == encode(other) or _equal_but_for_zero(one, other))


def _equal_but_for_zero(one, other):
    return type(one) is type(other) and encode(one).replace(b"-0.0", b"0.0") == encode(other).replace(b"-0.0", b"0.0")


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        (1, True),
        (True, 1),
        (1, 1.0),
        ("1", 1),
        (None, 0),
        ([], {}),
        ([1], [1, 2]),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"a": 1}),
        (math.nan, 1.0),
        (1.0, math.nan),
        (math.inf, 1e308),
        (-math.inf, math.inf),
        (0.1 + 0.2, 0.3),
        ("a" * 10_000, "b" * 10_000),
        (b"a", "a"),
    ],
)
def test_a_difference_is_named(answer, reference):
    message = difference(answer, reference, TIGHT)
    assert message is not None
    assert "answer" in message
    assert len(message) < 500


def test_nan_equals_nan_in_the_same_place():
    assert difference([1.0, math.nan], [1.0, math.nan], TIGHT) is None


def test_the_place_of_a_difference_is_shown():
    assert difference({"rows": [1, {"x": 2}]}, {"rows": [1, {"x": 3}]}, TIGHT) == "answer['rows'][1]['x'] is 2, not 3"


@pytest.mark.parametrize(("answer", "within"), [(1.0, True), (1.0009, True), (1.0011, False), (math.inf, False), (math.nan, False)])
def test_tolerance_is_the_records(answer, within):
    assert (difference(answer, 1.0, {"float": Tolerance(relative=1e-3)}) is None) is within


def test_infinity_is_no_tolerance_for_everything():
    assert difference(1.0, math.inf, {"float": Tolerance(relative=0.5)}) is not None


@pytest.mark.parametrize(
    ("answer", "within"),
    [
        (np.array([1, 2], np.float32), True),
        (np.array([1, 2.01], np.float32), True),
        (np.array([1, 2.2], np.float32), False),
        (np.array([1, np.nan], np.float32), False),
        (np.array([1, 2], np.float64), False),
        (np.array([[1, 2]], np.float32), False),
        (np.array([1, 2], np.int64), False),
    ],
)
def test_arrays_are_compared_by_their_dtype(answer, within):
    reference = np.array([1, 2], np.float32)
    found = decode(json.dumps(answer, default=encode_other).encode())
    assert (difference(found, reference, {"float32": Tolerance(relative=0.01)}) is None) is within


class Evil:
    def __reduce__(self):
        return print, ("executed",)


def tagged(data: bytes) -> bytes:
    return json.dumps([{"__array__": base64.b64encode(data).decode()}]).encode()


def pickled_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Evil()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[1] [2]",
        b"[" * 100_000,
        b'[{"__bytes__": "no base64!"}]',
        b'[{"__bytes__": 3}]',
        b'[{"__array__": ""}]',
        b"9" * 10_000,
        pickle.dumps([1]),
        tagged(pickle.dumps(Evil())),
        tagged(pickled_array()),
        tagged(b"PK\x03\x04" + b"\0" * 40),
    ],
)
def test_what_is_no_plain_data_is_refused_and_never_executed(payload, capsys):
    with pytest.raises(BadAnswerError):
        decode(payload)
    assert capsys.readouterr().out == ""


@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoder(payload):
    with suppress(BadAnswerError):
        decode(payload)

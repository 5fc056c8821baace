"""Answers as plain data: decoded in the controller, compared with the reference, never executed."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from pytest_isobench.errors import MissingExtraError
from pytest_isobench.models.task import Tolerance

EXACT = Tolerance()
SHOWN = 120
"""Characters of a value that a message shows."""
NPY = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>|=][biufcmMSU]\d{1,9}(?:\[\w{1,9}\])?)', "
    rb"'fortran_order': (True|False), 'shape': \(((?:\d{1,18}(?:, \d{1,18}){0,31},?)?)\), \} *\n",
    re.DOTALL,
)
"""The beginning of an npy file as numpy writes it, for numbers, text and times; numpy's own reader was not made for hostile ones."""


class BadAnswerError(ValueError):
    """Bytes that are no answer; says why."""


def decode(payload: bytes) -> Any:
    """Decode one candidate's bytes. Raises `BadAnswerError` for anything but plain data."""
    try:
        return json.loads(payload, object_hook=_tagged)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise BadAnswerError(f"the answer is not plain data: {error}") from error


def _tagged(mapping: dict[str, Any]) -> Any:
    if len(mapping) == 1:
        (name, value), *_ = mapping.items()
        if name == "__bytes__":
            return base64.b64decode(value, validate=True)
        if name == "__array__":
            return _array(base64.b64decode(value, validate=True))
    return mapping


def _array(data: bytes) -> Any:
    try:
        import numpy as np
    except ImportError:
        raise MissingExtraError("an answer that holds an array", "arrays") from None
    head = NPY.match(data)
    if head is None:
        raise ValueError("an array must hold plain numbers, text or times, as numpy.save writes them")
    dtype, shape = np.dtype(head[1].decode()), [int(size) for size in head[3].split(b",") if size]
    if dtype.itemsize == 0 or math.prod(shape) * dtype.itemsize != len(data) - head.end():
        raise ValueError(f"{len(data) - head.end()} bytes are no array of {head[1].decode()} with the shape {shape}")
    order: Literal["F", "C"] = "F" if head[2] == b"True" else "C"
    return np.frombuffer(data, dtype, offset=head.end()).reshape(shape, order=order)


def difference(answer: Any, reference: Any, tolerance: Mapping[str, Tolerance], place: str = "answer") -> str | None:
    """Return where and how an answer differs from the reference, or None when it does not.

    Types must be the same. Floating-point numbers may differ by the tolerance of their dtype (`float` for plain numbers):
    ``|answer - reference| <= absolute + relative * |reference|``. A NaN equals nothing but a NaN in the same place.
    """
    if type(answer) is not type(reference):
        return f"{place} is {_kind(answer)}, not {_kind(reference)}"
    if isinstance(reference, dict):
        return _dict_difference(answer, reference, tolerance, place)
    if isinstance(reference, list):
        return _list_difference(answer, reference, tolerance, place)
    if isinstance(reference, float):
        return _float_difference(answer, reference, tolerance.get("float", EXACT), place)
    if hasattr(reference, "dtype"):
        return _array_difference(answer, reference, tolerance, place)
    return None if answer == reference else f"{place} is {_show(answer)}, not {_show(reference)}"


def _dict_difference(answer: dict[str, Any], reference: dict[str, Any], tolerance: Mapping[str, Tolerance], place: str) -> str | None:
    if answer.keys() != reference.keys():
        missing, extra = sorted(reference.keys() - answer.keys()), sorted(answer.keys() - reference.keys())
        return f"{place} lacks {_show(missing)} and has {_show(extra)} too many"
    return next(filter(None, (difference(answer[key], reference[key], tolerance, f"{place}[{key!r}]") for key in reference)), None)


def _list_difference(answer: list[Any], reference: list[Any], tolerance: Mapping[str, Tolerance], place: str) -> str | None:
    if len(answer) != len(reference):
        return f"{place} has {len(answer)} items, not {len(reference)}"
    pairs = enumerate(zip(answer, reference, strict=True))
    return next(filter(None, (difference(got, wanted, tolerance, f"{place}[{i}]") for i, (got, wanted) in pairs)), None)


def _float_difference(answer: float, reference: float, tolerance: Tolerance, place: str) -> str | None:
    if answer == reference or (math.isnan(answer) and math.isnan(reference)):
        return None
    if abs(answer - reference) <= tolerance.absolute + tolerance.relative * abs(reference) < math.inf:
        return None
    allowed = "" if tolerance == EXACT else f" (allowed: {tolerance.absolute:g} + {tolerance.relative:g} of it)"
    return f"{place} is {answer!r}, not {reference!r}{allowed}"


def _array_difference(answer: Any, reference: Any, tolerance: Mapping[str, Tolerance], place: str) -> str | None:
    import numpy as np

    if answer.dtype != reference.dtype or answer.shape != reference.shape:
        return f"{place} is {answer.dtype}{list(answer.shape)}, not {reference.dtype}{list(reference.shape)}"
    allowed = tolerance.get(str(reference.dtype), EXACT)
    floating = reference.dtype.kind in "fc"
    equal = np.isclose(answer, reference, rtol=allowed.relative, atol=allowed.absolute, equal_nan=True) if floating else answer == reference
    if equal.all():
        return None
    where = tuple(int(index) for index in np.argwhere(~np.asarray(equal))[0])
    return f"{place}{list(where)} is {answer[where]!r}, not {reference[where]!r}; {int((~equal).sum())} of {equal.size} values differ"


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "text", type(None): "null"}.get(type(value), type(value).__name__)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"

"""Secrets of whoever builds: never in an image, a log, a label or a message."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

SHORTEST = 6
"""Characters of the shortest value that can be told from ordinary text."""
HIDDEN = "***"

_NAME = re.compile(r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|APIKEY|KEY)(_|$)", re.IGNORECASE)
_LOGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]{0,30}://)[^\s/@'\"]{1,4096}@", re.IGNORECASE)
"""Bounded, since a word of a megabyte would take minutes else."""
_KNOWN = re.compile(r"\b(hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|sk-[A-Za-z0-9_-]{20,}|AKIA[A-Z0-9]{16})")
"""What tokens of well-known services look like."""


def is_secret_name(name: str) -> bool:
    """Tell whether a variable of this name holds a secret: HF_TOKEN, DOCKER_PASSWORD, OPENAI_API_KEY."""
    return bool(_NAME.search(name))


def redact(text: str, variables: Mapping[str, str] = os.environ) -> str:
    """Return a text without the secrets that the variables hold, logins in URLs, and what looks like a well-known token."""
    for value in secret_values(variables):
        text = text.replace(value, HIDDEN)
    return _KNOWN.sub(HIDDEN, _LOGIN.sub(rf"\g<scheme>{HIDDEN}@", text))


def holds_secret(text: str, variables: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a text holds what `redact` would hide."""
    return redact(text, variables) != text


def secret_values(variables: Mapping[str, str]) -> list[str]:
    """Return the secrets, the longest first: one may be a part of another."""
    values = {value for name, value in variables.items() if is_secret_name(name) and len(value) >= SHORTEST}
    return sorted(values, key=len, reverse=True)

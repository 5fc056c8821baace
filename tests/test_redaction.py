"""Secrets are hidden."""

from __future__ import annotations

import time

import pytest

from pytest_isobench.redaction import holds_secret, is_secret_name, redact

VARIABLES = {"HF_TOKEN": "abc-def-ghi", "API_KEY": "abc-def-ghi-jkl", "PATH": "/usr/bin:/bin", "SHORT_TOKEN": "x"}


@pytest.mark.parametrize("name", ["HF_TOKEN", "DOCKER_PASSWORD", "OPENAI_API_KEY", "aws_secret_access_key", "TOKEN", "GIT_CREDENTIALS"])
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["PATH", "TOKENIZERS_PARALLELISM", "MONKEY", "KEYBOARD", "HOME"])
def test_other_names(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("got abc-def-ghi!", "got ***!"),
        ("both abc-def-ghi-jkl abc-def-ghi", "both *** ***"),
        ("https://me:pass@host/x and ssh://git@host/y", "https://***@host/x and ssh://***@host/y"),
        ("token hf_abcdefghijklmnopqrstuvwx", "token ***"),
        ("x in /usr/bin:/bin", "x in /usr/bin:/bin"),
        ("mail a@b.org, pkg @ https://host/pkg@1.0.whl", "mail a@b.org, pkg @ https://host/pkg@1.0.whl"),
    ],
)
def test_redact(text: str, shown: str) -> None:
    assert redact(text, VARIABLES) == shown
    assert holds_secret(text, VARIABLES) == (text != shown)


@pytest.mark.soak
def test_long_words_take_no_longer_than_others() -> None:
    word, text = "a" * 4_000_000, "a b " * 1_000_000
    begin = time.process_time()
    assert redact(text, {}) == text
    spent = time.process_time() - begin
    begin = time.process_time()
    assert redact(word, {}) == word
    assert time.process_time() - begin < 100 * spent

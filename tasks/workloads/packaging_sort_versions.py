"""Bring the releases of a package into their order, oldest first."""

import itertools

from packaging.version import Version

SUFFIXES = ["", "", "", "a", "b", "rc", ".post", ".dev"]


def inputs(rng):
    """Return 300 version numbers, pre-releases among them, in no order."""
    texts = []
    for suffix in SUFFIXES * 38:
        number = f"{rng.randrange(4)}.{rng.randrange(30)}.{rng.randrange(1000)}"
        texts.append(f"{number}{suffix}{rng.randrange(12)}" if suffix else number)
    rng.shuffle(texts)
    return texts


def run(texts):
    """Return the version numbers in ascending order."""
    return sorted(texts, key=Version)


def check(data, answer, reference):
    """Every version number is there, and none is older than the one before it."""
    assert sorted(answer) == sorted(data), "the answer has not the version numbers that were asked for"
    versions = [Version(text) for text in answer]
    assert all(old <= new for old, new in itertools.pairwise(versions)), "the answer is not in ascending order"
    assert answer == reference, "equal version numbers do not keep their order"

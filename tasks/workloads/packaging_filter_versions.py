"""Choose the releases that a requirement allows, as an installer does for every dependency."""

from packaging.specifiers import SpecifierSet


def number(rng):
    """Return a version number with three parts."""
    return f"{rng.randrange(6)}.{rng.randrange(20)}.{rng.randrange(100)}"


def requirement(rng):
    """Return a requirement with a lower end, an upper end, an exclusion and a series that is left out."""
    return f">={rng.randrange(2)}.{rng.randrange(20)},<{rng.randrange(3, 6)},!={number(rng)},!={rng.randrange(2, 4)}.{rng.randrange(20)}.*"


def inputs(rng):
    """Return six requirements and the 60 releases that each of them is asked about."""
    return [[requirement(rng), [number(rng) + rng.choice(["", "", "", "rc1", ".post2"]) for _ in range(60)]] for _ in range(6)]


def run(questions):
    """Return the releases that each requirement allows."""
    return [list(SpecifierSet(text).filter(releases)) for text, releases in questions]

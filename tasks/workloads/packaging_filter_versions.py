"""Choose the releases that a requirement allows, as an installer does for every dependency."""

from packaging.specifiers import SpecifierSet


def number(rng):
    """Return a version number with three parts."""
    return f"{rng.randrange(6)}.{rng.randrange(20)}.{rng.randrange(100)}"


def releases(rng):
    """Return twelve releases, some of them repaired after they were published."""
    return [number(rng) + suffix for suffix in ["", "", ".post2"] * 4]


def inputs(rng):
    """Return 40 requirements, ten of each kind, and the releases that each of them is asked about."""
    kinds = [">={}.{}", "<{}.{}", "!={}.{}.*", "~={}.{}"] * 10
    return [[kind.format(rng.randrange(1, 5), rng.randrange(20)), releases(rng)] for kind in kinds]


def run(questions):
    """Return the releases that each requirement allows."""
    return [list(SpecifierSet(text).filter(offered)) for text, offered in questions]

"""Compute the checksum of some 30 KB."""

from checksum import checksum


def inputs(rng):
    """Return random bytes, now and then a few more."""
    return rng.randbytes(30_000 + rng.randrange(16))


def run(data):
    """Return the checksum, a number."""
    return checksum(data)

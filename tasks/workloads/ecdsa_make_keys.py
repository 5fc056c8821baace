"""Make the public key that belongs to a secret number, on the curve NIST P-192."""

import hashlib

from ecdsa import NIST192p, SigningKey


def inputs(rng):
    """Return a secret number below the order of the curve."""
    return rng.randrange(2**190, 2**191)


def run(secret):
    """Return the public key."""
    key = SigningKey.from_secret_exponent(secret, NIST192p, hashlib.sha256)
    return key.get_verifying_key().to_string()

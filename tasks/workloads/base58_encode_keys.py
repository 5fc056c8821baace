"""Write keys in the alphabet without look-alikes that wallets use, and read them back."""

from base58 import b58decode, b58encode


def inputs(rng):
    """Return 80 keys of 64 bytes."""
    return [rng.randbytes(64) for _ in range(80)]


def run(keys):
    """Return each key's text, and the key that is read from the text."""
    texts = [b58encode(key) for key in keys]
    return [[text, b58decode(text)] for text in texts]


def check(keys, answer, reference):
    """Reading gives back what was written."""
    assert [key for _, key in answer] == keys, "a key is not what its text was made from"
    assert answer == reference, "a text is not the one that the alphabet gives"

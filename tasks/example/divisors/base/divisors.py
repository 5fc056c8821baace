"""The divisors of a number."""

from math import isqrt


def divisors(number: int) -> list[int]:
    """Return all divisors of a positive number in ascending order."""
    root = isqrt(number)
    small = [candidate for candidate in range(1, root + 1) if number % candidate == 0]
    large = [number // divisor for divisor in reversed(small)]
    return small + large[root * root == number :]

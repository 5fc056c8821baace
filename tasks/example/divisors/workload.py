"""List the divisors of numbers of nine digits, one of them a square."""

from divisors import divisors


def inputs(rng):
    """Return twelve numbers, none of them divisible by 2 or 3, so that all take the same number of steps."""
    numbers = [6 * rng.randrange(166 * 10**5, 167 * 10**5) + rng.choice([1, 5]) for _ in range(11)]
    square = (6 * rng.randrange(1660, 1670) + rng.choice([1, 5])) ** 2
    numbers.insert(rng.randrange(12), square)
    return numbers


def run(numbers):
    """Return the divisors of each number."""
    return [divisors(number) for number in numbers]


def check(numbers, answer, reference):
    """Every divisor divides, each stands once and in order, and 1 and the number itself are there."""
    assert len(answer) == len(numbers), "not one list for each number"
    for number, found in zip(numbers, answer, strict=True):
        assert all(number % divisor == 0 for divisor in found), f"{found} are not all divisors of {number}"
        assert found == sorted(set(found)), f"the divisors of {number} are not in order, each of them once"
        assert found[0] == 1, f"1 is missing among the divisors of {number}"
        assert found[-1] == number, f"{number} is missing among its divisors"
    assert answer == reference, "divisors are missing"

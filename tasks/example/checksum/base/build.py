"""Write table.py, and try it on the check value that the standard gives for the digits 1 to 9."""

import pathlib
import sys

POLYNOMIAL = 0x82F63B78
BITS = 4


def entry(value: int) -> int:
    """Return what BITS steps of the division leave of a value."""
    for _ in range(BITS):
        value = value >> 1 ^ POLYNOMIAL * (value & 1)
    return value


def main() -> None:
    table = [entry(value) for value in range(1 << BITS)]
    pathlib.Path("table.py").write_text(f'"""Written by build.py."""\n\nTABLE = {table}\n')
    sys.path.insert(0, ".")
    from checksum import checksum

    if checksum(b"123456789") != 0xE3069283:
        sys.exit("the table is wrong: the checksum of 123456789 must be e3069283")


if __name__ == "__main__":
    main()

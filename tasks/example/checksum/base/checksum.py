"""The checksum CRC-32C, as storage and network protocols use it."""

from table import TABLE


def checksum(data: bytes) -> int:
    """Return the CRC-32C of some bytes."""
    table = TABLE
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        crc = crc >> 4 ^ table[crc & 15]
        crc = crc >> 4 ^ table[crc & 15]
    return crc ^ 0xFFFFFFFF

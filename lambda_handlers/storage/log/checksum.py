"""Arithmetic on the checksum of LTX files, CRC-64/GO-ISO, for a file with another beginning.

A CRC is linear: for beginnings A and B of one length and any rest R, crc(A R) xor crc(B R) is crc(A) xor crc(B), moved
up by the length of R. Moving up is multiplication by a power of x modulo the polynomial, as in zlib's crc32_combine
(Adler), here bit-reflected with 64 bits: x^0 is the highest bit.
"""

from __future__ import annotations

_POLYNOMIAL = 0xD800000000000000  # x^64 + x^4 + x^3 + x + 1
_ONE = 1 << 63


def moved_up(difference: int, length: int) -> int:
    """Return the difference of two checksums after `length` equal bytes have followed on both sides."""
    return _multiply(_power_of_x(8 * length), difference)


def _power_of_x(exponent: int) -> int:
    result, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            result = _multiply(result, square)
        square = _multiply(square, square)
        exponent >>= 1
    return result


def _multiply(one: int, other: int) -> int:
    product, bit = 0, _ONE
    while bit:
        if one & bit:
            product ^= other
        other = (other >> 1) ^ _POLYNOMIAL if other & 1 else other >> 1
        bit >>= 1
    return product

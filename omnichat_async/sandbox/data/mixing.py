"""Repeatable randomness by mixing integers: row i needs no row before it."""

from hashlib import blake2b

_MASK = (1 << 64) - 1


def mix(x: int) -> int:
    """splitmix64: an integer to 64 well-mixed bits. A bijection of the 64-bit integers."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def key_of(seed: int, *names: str) -> int:
    """A 64-bit key for one named use of the seed; the same in every process."""
    text = "/".join((str(seed), *names))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())

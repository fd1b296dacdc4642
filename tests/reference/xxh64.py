"""XXH64, from its specification: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md."""

MASK = (1 << 64) - 1
PRIMES = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def _rotate(value: int, bits: int) -> int:
    value &= MASK
    return (value << bits | value >> (64 - bits)) & MASK


def _round(lane: int, value: int) -> int:
    return _rotate(lane + value * PRIMES[1], 31) * PRIMES[0] & MASK


def xxh64(data: bytes, seed: int = 0) -> int:
    """The 64-bit hash of `data`."""
    at = 0
    if len(data) >= 32:
        lanes = [seed + PRIMES[0] + PRIMES[1], seed + PRIMES[1], seed, seed - PRIMES[0]]
        while at + 32 <= len(data):
            words = [int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "little") for i in range(4)]
            lanes = [_round(lane, word) for lane, word in zip(lanes, words, strict=True)]
            at += 32
        digest = sum(_rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            digest = ((digest ^ _round(0, lane)) * PRIMES[0] + PRIMES[3]) & MASK
    else:
        digest = seed + PRIMES[4]
    return _finish(digest + len(data), data[at:])


def _finish(digest: int, rest: bytes) -> int:
    while len(rest) >= 8:
        digest ^= _round(0, int.from_bytes(rest[:8], "little"))
        digest = _rotate(digest, 27) * PRIMES[0] + PRIMES[3]
        rest = rest[8:]
    if len(rest) >= 4:
        digest ^= int.from_bytes(rest[:4], "little") * PRIMES[0] & MASK
        digest = _rotate(digest, 23) * PRIMES[1] + PRIMES[2]
        rest = rest[4:]
    for byte in rest:
        digest ^= byte * PRIMES[4] & MASK
        digest = _rotate(digest, 11) * PRIMES[0]
    digest &= MASK
    digest = (digest ^ digest >> 33) * PRIMES[1] & MASK
    digest = (digest ^ digest >> 29) * PRIMES[2] & MASK
    return digest ^ digest >> 32

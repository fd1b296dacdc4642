"""Terms of texts, looked up in a vocabulary or hashed: what the encoders of texts are made of, as Python runs them.

A vocabulary is three arrays, so that a snapshot can hold it and compiled code can search it: `octets` (uint8) has the
UTF-8 of all terms one after another, `ends` (int64) where each ends, and `table` (int64) is a hash table. Its slots
hold the number of a term plus one, or 0. Behind them each bucket of digests has a number that turns its terms to other
slots: the search begins there, and goes on to the next slot until one is 0. The numbers are chosen so that each term
is in the first slot that is looked at: that is never a surprise to the processor, and surprises took it two thirds of
the time of a one-hot vector. The table of hashed terms is empty, and so are the others. `settings` are four integers:
the lowest and the highest n of n-grams, flags, and the length of the vector.

`kernel_term` has the same functions compiled; their results are the same bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hotrow.transforms.hash64 import hash64

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.float32]

LOWERCASE, BINARY, UNKNOWN, IN_WORDS = 1, 2, 4, 8
"""Flags: lower the text first; 1 in place of counts; the last place is for unknown terms; n-grams inside words."""

MULTIPLIER = 0x9E3779B185EBCA87  # odd, and without a pattern: XXH64's first prime

_TURNS = 1 << 12  # that a bucket tries: all but certain to find one, where half of the slots stay free

_TOKEN = re.compile(r"(?u)\b\w\w+\b")
_WHITE = re.compile(r"\s\s+")
Settings = tuple[int, int, int, int]


def vocabulary_of(terms: Sequence[str]) -> tuple[Any, Any, Any]:
    """The three arrays of a vocabulary of different terms."""
    import numpy as np  # noqa: PLC0415 - definitions do not load it

    encoded = [term.encode("utf-8") for term in terms]
    octets = np.frombuffer(b"".join(encoded) or b"\0", np.uint8)
    ends = np.cumsum([len(one) for one in encoded], dtype=np.int64)
    return octets, ends, np.array(_table([_mixed(one) for one in encoded]), np.int64)


def _table(digests: Sequence[int]) -> list[int]:
    """The slots, four for each bucket, and then the turns: a table without collisions, where one is found.

    Buckets with many terms choose first: each takes the least turn that puts its terms into slots that are free.
    """
    slots = 4
    while slots < 2 * len(digests):
        slots *= 2
    buckets: list[list[int]] = [[] for _ in range(slots // 4)]
    for number, digest in enumerate(digests):
        buckets[_high(digest, 48, len(buckets))].append(number)
    held, turns = [0] * slots, [0] * len(buckets)
    for bucket in sorted(range(len(buckets)), key=lambda one: -len(buckets[one])):
        for turn in range(_TURNS):
            taken = {_slot(digests[number], turn, slots) for number in buckets[bucket]}
            if len(taken) == len(buckets[bucket]) and not any(held[slot] for slot in taken):
                turns[bucket] = turn
                break
        for number in buckets[bucket]:
            slot = _slot(digests[number], turns[bucket], slots)
            while held[slot]:
                slot = slot + 1 & slots - 1
            held[slot] = number + 1
    return held + turns


def _slot(digest: int, turn: int, slots: int) -> int:
    return _high(digest ^ turn, 32, slots)


def _high(digest: int, bits: int, count: int) -> int:
    """One of `count`, by high bits of a product: the low bits of a digest know little of a term's last letters."""
    return (digest * MULTIPLIER & 0xFFFFFFFFFFFFFFFF) >> bits & count - 1


def _mixed(octets: bytes) -> int:
    """The digest of a term: a hash of eight bytes a step, half the work of XXH64 on short terms."""
    mixed, size = len(octets), len(octets)
    if size >= 8:
        for at in (*range(0, size - 8, 8), size - 8):
            mixed = _step(mixed, int.from_bytes(octets[at : at + 8], "little"))
    elif size >= 4:
        mixed = _step(mixed, int.from_bytes(octets[:4] + octets[-4:], "little"))
    elif size:
        mixed = _step(mixed, int.from_bytes((octets[0], octets[size // 2], octets[-1]), "little"))
    return mixed


def _step(mixed: int, octets: int) -> int:
    product = (mixed ^ octets) * MULTIPLIER & 0xFFFFFFFFFFFFFFFF
    return product ^ product >> 32


def hashed_terms() -> tuple[Any, Any, Any]:
    """What stands in the place of a vocabulary where terms are hashed."""
    import numpy as np  # noqa: PLC0415

    return np.zeros(1, np.uint8), np.zeros(1, np.int64), np.zeros(1, np.int64)


def text_place(value: str, settings: Settings, octets: Any, ends: Any, table: Any) -> int:  # noqa: ARG001 - as compiled
    """The number of a string in the vocabulary; of an unknown one the last place with UNKNOWN, else -1."""
    known = _numbers(octets.tobytes(), tuple(ends.tolist()))
    return known.get(value.encode("utf-8"), settings[3] - 1 if settings[2] & UNKNOWN else -1)


def one_hot(place: int, width: int) -> Vector:
    """1 at a place of a vector, 0 elsewhere; a place below 0 is nowhere."""
    import numpy as np  # noqa: PLC0415

    made = np.zeros(width, np.float32)
    if place >= 0:
        made[place] = 1
    return made


def list_counts(value: Iterable[str], settings: Settings, octets: Any, ends: Any, table: Any) -> Vector:
    """How often each term is among some strings; the empty string is none."""
    return _counted((one for one in value if one), settings, (octets, ends, table))


def split_counts(value: str, separator: str, settings: Settings, octets: Any, ends: Any, table: Any) -> Vector:
    """How often each term is among the parts of a text; an empty part is none."""
    return list_counts(value.split(separator), settings, octets, ends, table)


def char_counts(value: str, settings: Settings, octets: Any, ends: Any, table: Any) -> Vector:
    """How often each n-gram of characters (code points) is in a text."""
    return _counted(char_ngrams(value, settings), settings, (octets, ends, table))


def word_counts(value: str, settings: Settings, octets: Any, ends: Any, table: Any) -> Vector:
    """How often each n-gram of words is in a text."""
    return _counted(word_ngrams(value, settings), settings, (octets, ends, table))


def char_ngrams(value: str, settings: Settings) -> Iterator[str]:
    """The n-grams of a text, as scikit-learn's CountVectorizer makes them.

    White space of two and more characters counts as one space. With IN_WORDS no n-gram reaches over the end of a word,
    which has a space on both sides, and a word that is shorter than n is one n-gram, once.
    """
    low, high, flags, _ = settings
    text = _WHITE.sub(" ", value.lower() if flags & LOWERCASE else value)
    if not flags & IN_WORDS:
        for n in range(low, high + 1):
            for start in range(len(text) - n + 1):
                yield text[start : start + n]
        return
    for word in text.split():
        padded = f" {word} "
        for n in range(low, high + 1):
            for start in range(max(1, len(padded) - n + 1)):
                yield padded[start : start + n]
            if len(padded) <= n:
                break


def word_ngrams(value: str, settings: Settings) -> Iterator[str]:
    r"""The n-grams of the words of a text, `(?u)\b\w\w+\b` as in scikit-learn, joined by a space."""
    low, high, flags, _ = settings
    words = _TOKEN.findall(value.lower() if flags & LOWERCASE else value)
    for n in range(low, high + 1):
        for start in range(len(words) - n + 1):
            yield " ".join(words[start : start + n])


def _counted(terms: Iterable[str], settings: Settings, vocabulary: tuple[Any, Any, Any]) -> Vector:
    import numpy as np  # noqa: PLC0415

    _, _, flags, width = settings
    octets, ends, table = vocabulary
    known = None if len(table) == 1 else _numbers(octets.tobytes(), tuple(ends.tolist()))
    counts = np.zeros(width, np.float32)
    for term in terms:
        place = hash64(term) % width if known is None else known.get(term.encode("utf-8"), -1)
        if place < 0 and flags & UNKNOWN:
            place = width - 1
        if place >= 0:
            counts[place] = 1 if flags & BINARY else counts[place] + 1
    return counts


@lru_cache(maxsize=64)
def _numbers(octets: bytes, ends: tuple[int, ...]) -> dict[bytes, int]:
    starts = (0, *ends[:-1])
    return {octets[start:end]: number for number, (start, end) in enumerate(zip(starts, ends, strict=True))}

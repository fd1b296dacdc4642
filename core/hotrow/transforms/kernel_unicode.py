"""Unicode in compiled transforms: what is white space, what is in a word, and lower case, as Python has them.

The tables are made of what Python's own strings do, so they are of its version of Unicode. Making them takes half a
second, so that this module is imported only where a transform that needs it is compiled.
"""

import re

import numpy as np
from numba.extending import register_jitable

from hotrow.codec.kernel_memory import load_u8, store_u8

_ALL = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
SIGMA, FINAL_SIGMA, DOTTED_I, DOT_ABOVE = 0x3A3, 0x3C2, 0x130, 0x307


def _ranges(code_points):
    """The starts and the ends, in turn, of the runs of some sorted code points."""
    bounds = []
    for point in code_points:
        if bounds and bounds[-1] == point:
            bounds[-1] = point + 1
        else:
            bounds += [point, point + 1]
    return np.array(bounds, np.int32)


def _lower_case():
    changed = [(ord(c), c.lower()) for c in _ALL if c.lower() != c]
    longer = [point for point, lower in changed if len(lower) > 1]
    if longer != [DOTTED_I]:
        raise NotImplementedError(f"this Python lowers {longer} to several characters, which compiled code does not")
    single = [(point, ord(lower)) for point, lower in changed if len(lower) == 1]
    return np.array([point for point, _ in single], np.int32), np.array([lower for _, lower in single], np.int32)


WORD = _ranges([ord(c) for run in re.finditer(r"\w+", _ALL) for c in run.group()])
SPACE = _ranges([ord(c) for run in re.finditer(r"\s+", _ALL) for c in run.group()])
UPPER, LOWER = _lower_case()
# A capital sigma at the end of a word is lowered to another letter than elsewhere: so Python itself tells which
# characters make a word in this sense, and which it looks past.
CASED = _ranges([ord(c) for c in _ALL if (c + "Σ").lower()[-1] == "ς"])
PASSED = _ranges([ord(c) for c in _ALL if ("a" + c + "Σ").lower()[-1] == "ς" and (c + "Σ").lower()[-1] != "ς"])


@register_jitable
def _above(bounds, point):
    """How many of the sorted bounds are at most `point`."""
    low, high = 0, len(bounds)
    while low < high:
        middle = (low + high) // 2
        if bounds[middle] <= point:
            low = middle + 1
        else:
            high = middle
    return low


@register_jitable
def is_word(point):
    r"""Whether a code point is matched by \w."""
    if point < 128:
        return 48 <= point <= 57 or 65 <= point <= 90 or 97 <= point <= 122 or point == 95
    return _above(WORD, point) & 1 == 1


@register_jitable
def is_space(point):
    """Whether a code point is white space."""
    if point < 128:
        return point == 32 or 9 <= point <= 13 or 28 <= point <= 31
    return _above(SPACE, point) & 1 == 1


@register_jitable
def point_at(at, i):
    """The code point whose UTF-8 begins `i` bytes behind an address."""
    first = np.int64(load_u8(at, i))
    if first < 0x80:
        return first
    more = 1 if first < 0xE0 else 2 if first < 0xF0 else 3
    point = first & (0x3F >> more)
    for k in range(1, more + 1):
        point = point << 6 | (np.int64(load_u8(at, i + k)) & 0x3F)
    return point


@register_jitable
def bytes_of(point):
    """How many bytes the UTF-8 of a code point has."""
    return 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4


@register_jitable
def store_point(at, i, point):
    """Write the UTF-8 of a code point; returns where it ends."""
    size = bytes_of(point)
    if size == 1:
        store_u8(at, i, point)
        return i + 1
    for k in range(size - 1, 0, -1):
        store_u8(at, i + k, 0x80 | (point & 0x3F))
        point >>= 6
    store_u8(at, i, point | (0xF00 >> size & 0xFF))
    return i + size


@register_jitable
def _ends_word(at, size, i):
    """Whether the sigma at `i` is the last letter of a word: a letter before it, and none behind it."""
    before = i
    cased = False
    while before > 0:
        before -= 1
        while load_u8(at, before) & 0xC0 == 0x80:
            before -= 1
        point = point_at(at, before)
        if _above(PASSED, point) & 1 == 0:
            cased = _above(CASED, point) & 1 == 1
            break
    if not cased:
        return False
    behind = i + 2
    while behind < size:
        point = point_at(at, behind)
        if _above(PASSED, point) & 1 == 0:
            return _above(CASED, point) & 1 == 0
        behind += bytes_of(point)
    return True


@register_jitable
def lower_at(at, size, i, point):
    """The lower case of the code point at `i` of a text; a dotted capital I has one more, DOT_ABOVE, behind it."""
    if point < 128:
        return point + 32 if 65 <= point <= 90 else point
    if point == SIGMA:
        return FINAL_SIGMA if _ends_word(at, size, i) else SIGMA + 32
    if point == DOTTED_I:
        return 105
    place = _above(UPPER, point) - 1
    return np.int64(LOWER[place]) if place >= 0 and UPPER[place] == point else point


@register_jitable
def lowered(at, size, made):
    """Write the lower case of a text, at most half longer than it is; returns its size."""
    i = end = 0
    while i < size:
        point = point_at(at, i)
        end = store_point(made, end, lower_at(at, size, i, point))
        if point == DOTTED_I:
            end = store_point(made, end, DOT_ABOVE)
        i += bytes_of(point)
    return end

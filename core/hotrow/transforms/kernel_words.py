"""N-grams of characters and of words in compiled transforms.

The text is made ready in memory of its own (lowered, its white space or its words brought together), so that every
n-gram is a slice of it. `hotrow.transforms.term` says what is counted.
"""

import numpy as np
from numba.extending import register_jitable

from hotrow.codec.kernel_memory import address, copy, set_word, store_u8, word
from hotrow.transforms.kernel_place import count
from hotrow.transforms.kernel_unicode import bytes_of, is_space, is_word, lowered, point_at, store_point
from hotrow.transforms.term import IN_WORDS, LOWERCASE

_SPACE = 32
_FRONT = 1  # byte left free before the text, for the space before its first word


@register_jitable
def counted_chars(counts, value, settings, places):
    """Count the n-grams of characters of a text."""
    made = np.empty(value.size + value.size // 2 + 8, np.uint8)
    marks = np.empty(value.size + value.size // 2 + 8, np.int64)
    at, starts = address(made), address(marks)
    end = _ready(value, settings[2], at)
    if settings[2] & IN_WORDS:
        points = _spaced(at, end, starts)
        _count_in_words(counts, (at, starts, points), settings, places)
    else:
        points = _collapsed(at, end, starts)
        for n in range(settings[0], min(settings[1], points) + 1):
            for i in range(points - n + 1):
                first = word(starts, i)
                count(counts, at + first, word(starts, i + n) - first, settings[2], places)
    return len(made) + len(marks)  # used to the end, and so not freed before


@register_jitable
def counted_words(counts, value, settings, places):
    """Count the n-grams of words of a text."""
    made = np.empty(value.size + value.size // 2 + 8, np.uint8)
    marks = np.empty(value.size // 2 + 8, np.int64)
    at, starts = address(made), address(marks)
    end = _ready(value, settings[2], at)
    words = _words(at, end, starts)
    for n in range(settings[0], min(settings[1], words) + 1):
        for i in range(words - n + 1):
            first = word(starts, i)
            count(counts, at + first, word(starts, i + n) - 1 - first, settings[2], places)
    return len(made) + len(marks)  # as above


@register_jitable
def _ready(value, flags, at):
    """Put the text where there is room for it, lowered where asked for; returns where it ends."""
    if flags & LOWERCASE:
        return _FRONT + lowered(value.at, value.size, at + _FRONT)
    copy(at, _FRONT, value.at, 0, value.size)
    return _FRONT + value.size


@register_jitable
def _collapsed(at, size, starts):
    """Make one space of white space of two and more characters, in place.

    `starts` takes where each character begins, and where the text ends; returns how many characters there are.
    """
    points = end = 0
    i = _FRONT
    while i < size:
        point = point_at(at, i)
        behind = i + bytes_of(point)
        if is_space(point) and behind < size and is_space(point_at(at, behind)):
            point = np.int64(_SPACE)
            while behind < size and is_space(point_at(at, behind)):
                behind += bytes_of(point_at(at, behind))
        set_word(starts, points, end)
        points += 1
        end = store_point(at, end, point)
        i = behind
    set_word(starts, points, end)
    return points


@register_jitable
def _spaced(at, size, starts):
    """Put one space before, between and behind what white space parts, in place; `starts` and the result as above."""
    points = end = 0
    i = _FRONT
    in_word = False
    while i <= size:
        point = point_at(at, i) if i < size else np.int64(_SPACE)
        i += bytes_of(point)
        space = is_space(point)
        if (space and in_word) or (not space and points == 0):
            set_word(starts, points, end)
            points += 1
            store_u8(at, end, _SPACE)
            end += 1
        in_word = not space
        if in_word:
            set_word(starts, points, end)
            points += 1
            end = store_point(at, end, point)
    set_word(starts, points, end)
    return points


@register_jitable
def _count_in_words(counts, text, settings, places):
    """Count n-grams between the spaces of a text that `_spaced` has made; a word shorter than n is one, once."""
    at, starts, points = text
    first = 0
    while first < points - 1:
        last = first + 1
        while word(starts, last + 1) - word(starts, last) > 1 or not _is_space_at(at, word(starts, last)):
            last += 1
        length = last - first + 1
        for n in range(settings[0], settings[1] + 1):
            for i in range(max(1, length - n + 1)):
                start = word(starts, first + i)
                end = word(starts, first + min(i + n, length))
                count(counts, at + start, end - start, settings[2], places)
            if length <= n:
                break
        first = last


@register_jitable
def _is_space_at(at, i):
    return point_at(at, i) == _SPACE


@register_jitable
def _words(at, size, starts):
    """Bring the words of two and more characters together, a space between them, in place.

    `starts` takes where each begins, and one more than where the last ends, plus a space; returns how many there are.
    """
    words = end = 0
    i = _FRONT
    while i < size:
        first, points = end, 0
        while i < size:
            point = point_at(at, i)
            if not is_word(point):
                break
            i += bytes_of(point)
            end = store_point(at, end, point)
            points += 1
        if points >= 2:
            set_word(starts, words, first)
            words += 1
            store_u8(at, end, _SPACE)
            end += 1
        else:
            end = first
        if i < size:
            i += bytes_of(point_at(at, i))
    set_word(starts, words, end)
    return words

"""Takes encoded entity keys apart, into cells as `hotrow.codec.kernel_decode` fills them. The layout of a key stands in
`hotrow.codec.key`.
"""

import numba
import numpy as np

from hotrow.codec.compile import I64, I64_READ, U8, kernel, part
from hotrow.codec.kernel_memory import SIGN, address, byte_swap, is_utf8, load_i64, load_u8, set_word, store_u8, word
from hotrow.types import BOOL, BYTES, STRING


@part
def _take_text(keys, at, end, texts, to):
    """Copy a string without what escapes its zeros; returns the offsets behind it in both, -1 where it has no end."""
    while at < end:
        byte = np.int64(load_u8(keys, at))
        at += 1
        if byte == 0:
            if at < end and np.int64(load_u8(keys, at)) == 0xFF:
                at += 1
            else:
                return at, to
        store_u8(texts, to, byte)
        to += 1
    return np.int64(-1), to


@kernel(numba.int64(U8, I64, I64_READ, I64, I64, U8))
def split_keys(keys, starts, kinds, words, lengths, texts):
    """Take `len(starts) - 1` keys apart, of join keys of these kinds; returns 0, or -1 where one is no such key.

    Cell `k * n + r` is the k-th value of row r: its bits, or the address in `texts` of a string whose length stands in
    `lengths`. `texts` has at least as many bytes as `keys`.
    """
    n = len(starts) - 1
    data, texts_at, words_at, lengths_at = address(keys), address(texts), address(words), address(lengths)
    to = np.int64(0)
    for r in range(n):
        at, end = word(address(starts), r), word(address(starts), r + 1)
        for k in range(len(kinds)):
            kind = word(address(kinds), k)
            cell = k * n + r
            set_word(lengths_at, cell, 0)
            at += 1
            if kind == STRING or kind == BYTES:
                first = to
                at, to = _take_text(data, at, end, texts_at, to)
                if at < 0 or (kind == STRING and not is_utf8(texts_at, first, to)):
                    return np.int64(-1)
                set_word(words_at, cell, texts_at + first)
                set_word(lengths_at, cell, to - first)
                continue
            width = 1 if kind == BOOL else 8
            if at + width > end:
                return np.int64(-1)
            value = np.int64(load_u8(data, at)) if kind == BOOL else byte_swap(load_i64(data, at)) ^ SIGN
            if kind == BOOL and value > 1:
                return np.int64(-1)
            set_word(words_at, cell, value)
            at += width
        if at != end:
            return np.int64(-1)
    return np.int64(0)

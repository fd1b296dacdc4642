"""Finds rows in the pages of an LMDB file, in the map that LMDB made of it: a B+ tree of 4 KiB pages.

The layout is that of MDB_page, MDB_node and MDB_db in LMDB 0.9's mdb.c, of 64 bits. What is read is the snapshot of an
open read transaction: LMDB writes no page in place, and gives none out again that such a transaction can reach. LMDB's
own lookup costs a call, three objects and 0.5 us a row; here a request of any size is one call, and rows of one entity,
which are neighbours, mostly share the way to their leaf.

Nothing that is read is trusted: a page must have its own number, and whatever it holds must lie within it.
"""

import numba
import numpy as np

from hotrow.codec.compile import I64, U8, kernel, part
from hotrow.codec.kernel_memory import (
    SIGN,
    address,
    byte_swap,
    copy,
    load_i64,
    load_u8,
    load_u16,
    load_u32,
    prefetch,
    set_word,
    store_i64,
    word,
)
from hotrow.codec.kernel_scan import REQUEST

PAGE_BYTES = 4096
MAX_NAME = 512  # bytes of a key and a view id
DAMAGED = -1

BLOCK = 16  # entities whose leaves are fetched together
LINE_BYTES, MAX_FETCHED = 64, 1024  # of a processor's cache, and how much of a row is fetched ahead

# Of a database's record, of a page and of a node.
_DB_DEPTH, _DB_ROOT, _DB_BYTES = 6, 40, 48
_PAGE_FLAGS, _PAGE_LOWER, _PAGE_PAGES, _PAGE_HEADER = 10, 12, 12, 16
_NODE_FLAGS, _NODE_KEY_BYTES, _NODE_HEADER = 4, 6, 8
_BRANCH, _LEAF, _OVERFLOW = 0x01, 0x02, 0x04
_IN_OVERFLOW, _IN_PAGE_OF_ITS_OWN = 0x01, 0x06
_NO_PAGE = -1


@part
def _page(base, pages, number, kind):
    """Where the page of a number is, of a kind; -1 where that is no such page."""
    if number < 2 or number >= pages:
        return np.int64(DAMAGED)
    page = base + number * PAGE_BYTES
    if load_i64(page, 0) != number or np.int64(load_u16(page, _PAGE_FLAGS)) & kind == 0:
        return np.int64(DAMAGED)
    return page


@part
def _count(page):
    """How many nodes a page has; 0 for a number that cannot be."""
    lower = np.int64(load_u16(page, _PAGE_LOWER))
    return (lower - _PAGE_HEADER) >> 1 if lower <= PAGE_BYTES and lower >= _PAGE_HEADER else np.int64(0)


@part
def _node(page, i):
    """Where a node is; -1 where it and its key do not lie within the page."""
    at = np.int64(load_u16(page, _PAGE_HEADER + 2 * i))
    if at < _PAGE_HEADER or at > PAGE_BYTES - _NODE_HEADER:
        return np.int64(DAMAGED)
    if at + _NODE_HEADER + np.int64(load_u16(page, at + _NODE_KEY_BYTES)) > PAGE_BYTES:
        return np.int64(DAMAGED)
    return page + at


@part
def _compare(name, end, node):
    """How a name compares with a node's key, byte by byte, the shorter first: negative, 0 or positive."""
    at = node + _NODE_HEADER
    stop = at + np.int64(load_u16(node, _NODE_KEY_BYTES))
    while name + 8 <= end and at + 8 <= stop:
        one, other = load_i64(name, 0), load_i64(at, 0)
        if one != other:
            return np.int64(1) if byte_swap(one) ^ SIGN > byte_swap(other) ^ SIGN else np.int64(-1)
        name += 8
        at += 8
    while name < end and at < stop:
        difference = np.int64(load_u8(name, 0)) - np.int64(load_u8(at, 0))
        if difference != 0:
            return difference
        name += 1
        at += 1
    return (end - name) - (stop - at)


@part
def _search(page, low, name, end):
    """The last node whose key is not above a name, of those from `low` on (`low` - 1: none), and whether it is equal.

    A node of -2 says that the page is damaged.
    """
    high = _count(page) - 1
    while low <= high:
        middle = (low + high) >> 1
        node = _node(page, middle)
        if node < 0:
            return np.int64(-2), False
        order = _compare(name, end, node)
        if order == 0:
            return middle, True
        if order > 0:
            low = middle + 1
        else:
            high = middle - 1
    return high, False


@part
def _way(base, pages, root, depth, name, end):
    """The number of the leaf that has a name if any has; DAMAGED where the way to it is. The leaf is not looked at."""
    number = root
    for _ in range(depth - 1):
        page = _page(base, pages, number, _BRANCH)
        if page < 0:
            return page
        child, _equal = _search(page, np.int64(1), name, end)  # the first has no key: it is below all
        if child < 0 or _count(page) < 2:
            return np.int64(DAMAGED)
        node = _node(page, child)
        if node < 0:
            return node
        number = np.int64(load_u32(node, 0)) | np.int64(load_u16(node, _NODE_FLAGS)) << 32
    return number


@part
def _data(base, pages, page, i):
    """Where the data of a leaf's node is, and its size; -1 where it is damaged."""
    node = _node(page, i)
    if node < 0:
        return node, node
    size = np.int64(load_u32(node, 0))
    at = node + _NODE_HEADER + np.int64(load_u16(node, _NODE_KEY_BYTES))
    flags = np.int64(load_u16(node, _NODE_FLAGS))
    room = page + PAGE_BYTES - at
    if flags & _IN_OVERFLOW and room >= 8:
        number = load_i64(at, 0)
        page = _page(base, pages, number, _OVERFLOW)
        if page < 0:
            return page, page
        count = np.int64(load_u32(page, _PAGE_PAGES))
        if count > pages - number:
            return np.int64(DAMAGED), np.int64(DAMAGED)
        at, room = page + _PAGE_HEADER, count * PAGE_BYTES - _PAGE_HEADER
    if size > room or flags & _IN_PAGE_OF_ITS_OWN:
        return np.int64(DAMAGED), np.int64(DAMAGED)
    return at, size


@part
def _in_leaf(base, pages, leaf, name, end):
    """Where the data of a name in a leaf is, and its size, 0 for none; and whether another leaf may have the name."""
    zero = np.int64(0)
    i, equal = _search(leaf, zero, name, end)
    if equal:
        at, size = _data(base, pages, leaf, i)
        for line in range(LINE_BYTES, min(size, MAX_FETCHED), LINE_BYTES):
            prefetch(at + line)
        return at, size, False
    return zero, (zero if i > -2 else np.int64(DAMAGED)), i < 0 or i == _count(leaf) - 1


@part
def _compose(name, keys, offsets, place, view_id):
    """Write a name, of a key and a view id; returns its end, or DAMAGED for a key that is too long."""
    start = word(offsets, place)
    size = word(offsets, place + 1) - start
    if size > MAX_NAME - 8:
        return np.int64(DAMAGED)
    copy(name, 0, keys, start, size)
    store_i64(name, size, view_id)
    return name + size + 8


@part
def _approach(base, pages, root, depth, views, keys, offsets, n, first, last, name, places):
    """Find the leaves of the first rows of some entities, and have them fetched; `places` gets their numbers.

    A row takes some 30 ns of work, and four times as long in waiting for memory: this way many rows wait together.
    """
    for r in range(first, last):
        number = np.int64(DAMAGED)
        end = _compose(name, keys, offsets, word(views, 1) * n + r, word(views, 0))
        if end > 0:
            number = _way(base, pages, root, depth, name, end)
        set_word(places, 2 * r, number)
        prefetch(base + number * PAGE_BYTES)
    for r in range(first, last):
        leaf = _page(base, pages, word(places, 2 * r), _LEAF)
        if leaf > 0:
            count = _count(leaf)
            for i in range(1, 8):
                node = _node(leaf, (count * i) >> 3)
                if node > 0:
                    prefetch(node)


@part
def _locate(base, pages, root, depth, views, n_views, keys, offsets, n, name, places):
    """Fill `places`, two words a row, view by view: where it is and its size. Returns the size of all, or DAMAGED.

    Entity by entity, since the rows of one are neighbours. `name` has room for a key and a view id.
    """
    total = np.int64(0)
    for r in range(n):
        if r % BLOCK == 0:
            _approach(base, pages, root, depth, views, keys, offsets, n, r, min(r + BLOCK, n), name, places)
        leaf = at = size = np.int64(0)
        for v in range(n_views):
            view_id, key_set = word(views, 2 * v), word(views, 2 * v + 1)
            end = _compose(name, keys, offsets, key_set * n + r, view_id)
            if end < 0:
                return end
            elsewhere = True
            number = word(places, 2 * r)
            if v > 0:
                at, size, elsewhere = _in_leaf(base, pages, leaf, name, end)
                if elsewhere:
                    number = _way(base, pages, root, depth, name, end)
            if elsewhere:
                leaf = _page(base, pages, number, _LEAF)
                if leaf < 0:
                    return leaf
                at, size, elsewhere = _in_leaf(base, pages, leaf, name, end)
            if size < 0:
                return size
            set_word(places, 2 * (v * n + r), at)
            set_word(places, 2 * (v * n + r) + 1, size)
            total += size
    return total


@kernel(numba.int64(numba.int64, numba.int64, REQUEST, REQUEST, U8, I64, numba.int64, U8, I64, I64))
def find_rows(base, pages, database, wanted, keys, offsets, n, out, starts, work):
    """Copy `n` rows of each view wanted to `out`, view by view, and where each starts to `starts`, and their end.

    `base` is the address of the map, of `pages` pages; `database` the record of the database in the transaction's
    snapshot; `wanted`, `keys` and `offsets` are those of `hotrow.codec.lookup`. `work` has two words a row, and
    MAX_NAME bytes. Returns the size of the rows, which are not copied where `out` is smaller, or DAMAGED.
    """
    n_views = len(wanted) // 16
    count = n_views * n
    if len(database) != _DB_BYTES or len(starts) <= count or 8 * len(work) < 16 * count + MAX_NAME:
        return np.int64(DAMAGED)
    places, views = address(work), address(wanted)
    root, depth = load_i64(address(database), _DB_ROOT), np.int64(load_u16(address(database), _DB_DEPTH))
    if root == _NO_PAGE or count == 0:
        starts[: count + 1] = 0
        return np.int64(0)
    name = places + 16 * count
    total = _locate(base, pages, root, depth, views, n_views, address(keys), address(offsets), n, name, places)
    if total < 0 or total > len(out):
        return total
    target, begin = address(out), address(starts)
    at = np.int64(0)
    for i in range(count):
        set_word(begin, i, at)
        size = word(places, 2 * i + 1)
        copy(target, at, word(places, 2 * i), 0, size)
        at += size
    set_word(begin, count, at)
    return at

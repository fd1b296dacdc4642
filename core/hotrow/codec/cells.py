"""Cells: the values of a read between its rows and its reply, where transforms work on them."""

from typing import NamedTuple, Protocol

from hotrow.codec.wire import Octets, Table


class Block(NamedTuple):
    """Where the cells of `n` rows are: addresses of words and lengths (8 bytes a cell) and of statuses (1 byte).

    Column by column, as `hotrow.codec.kernel_decode` fills them. `base` is what the offsets of strings and lists count
    from.
    """

    cells: int
    lengths: int
    statuses: int
    base: int
    n: int


class CellProgram(Protocol):
    """Fills some columns from others. What it makes of strings and lists stays until the thread runs one again."""

    def run(self, block: Block) -> None: ...


def address_of(array: Octets | Table) -> int:
    """Where the elements of an array are."""
    return int(array.__array_interface__["data"][0])

"""What a Redis server sends, as requests take it."""

import pytest
from hotrow.codec.lookup import keys_from_lists, wanted_views
from hotrow.redis.address import RedisAddress
from hotrow.stores.redis.replies import Replies
from hotrow.stores.redis.request import RowRead

ADDRESS = RedisAddress("redis://a", "the online store", "online_store.url", "", "", "")
VIEW = b"horses__"


class Counted(RowRead):
    """A read that counts how often it looked for its replies."""

    looks = 0

    def take(self, received, begin, end):
        self.looks += 1
        return super().take(received, begin, end)


@pytest.mark.parametrize("behind", [b"", b"*1\r\n$1"])
def test_a_large_reply_in_small_pieces_is_not_looked_through_at_each(behind):
    """It is taken as soon as it is there and nothing behind it is cut off, and the rows are right."""
    rows = [b"%07d" % number * 100 for number in range(5000)]
    reply = b"+OK\r\n" + b"+QUEUED\r\n" * len(rows) + b"*%d\r\n" % len(rows)
    reply += b"".join(b"*1\r\n$%d\r\n%s\r\n" % (len(one), one) for one in rows) + behind
    outcomes, replies = [], Replies(ADDRESS)
    read = Counted(wanted_views([VIEW], [0]), keys_from_lists([rows]), outcomes.append)
    taken, at = False, 0
    while at < len(reply):
        room = replies.room()
        piece = reply[at : at + min(4096, len(room))]
        room[: len(piece)] = piece
        replies.filled(len(piece))
        at += len(piece)
        taken = replies.take(read)
        assert not taken or at >= len(reply) - len(behind)
    if behind:
        assert not taken
        replies.room()[:3] = b"\r\n1"
        replies.filled(3)
        assert not replies.take(read)
        replies.room()[:2] = b"\r\n"
        replies.filled(2)
        taken = replies.take(read)
    assert taken
    assert read.looks < 300
    read.end(None)
    assert outcomes[0].listed() == rows
    assert replies.waiting == (len(b"*1\r\n$1\r\n1\r\n") if behind else 0)


def test_many_replies_are_taken_though_the_last_is_cut_off():
    """However much has come: nobody waits until nothing more comes behind their rows."""
    outcomes, replies = [], Replies(ADDRESS)
    read = RowRead(wanted_views([VIEW], [0]), keys_from_lists([[b"a"]]), outcomes.append)
    _fill(replies, (b"*1\r\n$1000\r\n%s\r\n" % bytes(1000) * 5000)[:-3])
    for _ in range(4999):
        assert replies.take(read)
    assert not replies.take(read)


def test_a_reply_behind_which_others_come_is_taken_before_they_end():
    """Of a large one and many behind it, when at most as much again has come."""
    replies, large = Replies(ADDRESS), b"*1\r\n$4000000\r\n%s\r\n" % bytes(4_000_000)
    read = RowRead(wanted_views([VIEW], [0]), keys_from_lists([[b"a"]]), lambda _rows: None)
    came, taken = 0, False
    while not taken:
        came += _fill(replies, (large * 3)[came : came + 99_999])
        assert came <= 2 * len(large) + 99_999
        taken = replies.take(read)
    assert came >= len(large)


def _fill(replies, piece):
    left = piece
    while left:
        room = replies.room()
        some = left[: len(room)]
        room[: len(some)] = some
        replies.filled(len(some))
        left = left[len(some) :]
    return len(piece)

"""Answers: a result a row, put together from what was known before the commit and what the store told."""

import pytest
from hotrow.codec.pushed import Times, plan_rows, rows_from_request
from hotrow.codec.token import Token, decode_token
from hotrow.codec.wire import scan_request
from hotrow.stores.port import SKIPPED_STALE, WRITTEN
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsReply
from hotrow.v1.push_pb2 import PushFeaturesReply, PushFeaturesRequest, Rejection
from hotrow_ingest.answer import (
    DUPLICATE,
    OPEN,
    REJECTED,
    Draft,
    draft,
    filled,
    materialize_reply,
    push_reply,
    reply_from_note,
)
from hypothesis import given
from hypothesis import strategies as st
from reference.column import column
from support.codec import NOW_US, PUSH, ROWS
from support.schema import view as feature_view

VIEW = feature_view({"id": "int64"}, {"x": "int32"})
TOKEN = Token("ab" * 16, 3, 9)


def drafted(ids, values, times=()):
    rows = [column("id", "int64", ids), column("x", "int64", values)]
    data = PushFeaturesRequest(rows=rows, event_time_us=times).SerializeToString()
    plan = plan_rows(VIEW, ROWS, delete=False)
    encoded = rows_from_request(plan, scan_request(data, PUSH), Times(NOW_US, NOW_US))
    return draft(encoded, encoded.keys(), plan.expected)


def test_a_batch_without_fault_or_duplicate_is_left_to_the_store():
    """All of it."""
    assert drafted([1, 2], [3, 4]) == drafted([1, 2], [None, 4])
    assert (drafted([1, 2], [3, 4]).results, drafted([1, 2], [3, 4]).chosen) == (bytes(2), None)


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.integers(0, 2), st.booleans()), min_size=1, max_size=8))
def test_one_row_of_a_key_counts(rows):
    """The one of the latest event time that is not refused, of equal ones the last; no row is lost or counted twice."""
    ids, times, fits = zip(*rows, strict=True)
    found = drafted(list(ids), [0 if fit else 2**31 for fit in fits], list(times))
    wanted = [REJECTED if not fit else DUPLICATE for fit in fits]
    for key in set(ids):
        candidates = [(times[row], row) for row in range(len(rows)) if ids[row] == key and fits[row]]
        if candidates:
            wanted[max(candidates)[1]] = OPEN
    assert list(found.results) == wanted
    chosen = list(range(len(rows))) if found.chosen is None else list(found.chosen)
    assert chosen == [row for row, result in enumerate(wanted) if result == OPEN]
    assert [one.row for one in found.rejections] == [row for row, fit in enumerate(fits) if not fit]
    assert {one.field for one in found.rejections} <= {"x"}


def test_results_are_filled_in_order():
    """Those of the store take the open places."""
    results = bytes([OPEN, REJECTED, OPEN, DUPLICATE, OPEN])
    outcomes = bytes([WRITTEN, SKIPPED_STALE, WRITTEN])
    assert filled(results, outcomes) == bytes([WRITTEN, REJECTED, SKIPPED_STALE, DUPLICATE, WRITTEN])
    assert filled(bytes(2), outcomes[:2]) == outcomes[:2]


@pytest.mark.parametrize("n", [0, 1, 5, 127, 128, 20_000])
def test_a_reply_counts_its_results(n):
    """In one packed field, of any length."""
    results = bytes([WRITTEN, SKIPPED_STALE, REJECTED, DUPLICATE, WRITTEN] * n)[:n]
    rest = PushFeaturesReply(rejections=[Rejection(row=2, field="x", reason="why")], snapshot="s").SerializeToString()
    reply = PushFeaturesReply.FromString(push_reply(results, rest, TOKEN))
    assert list(reply.results) == list(results)
    counts = (reply.written, reply.skipped_stale, reply.rejected, reply.duplicates)
    assert counts == tuple(results.count(result) for result in (WRITTEN, SKIPPED_STALE, REJECTED, DUPLICATE))
    assert (reply.snapshot, len(reply.rejections)) == ("s", 1)
    assert decode_token(reply.token, store_id=TOKEN.store_id, epoch=TOKEN.epoch) == TOKEN


def test_a_note_makes_the_same_reply_again():
    """From what the store kept: the draft, and the outcomes of the rows."""
    one = drafted([1, 1, 2, 3], [1, 2, 2**31, 4])
    outcomes = bytes([WRITTEN, SKIPPED_STALE])
    rest = PushFeaturesReply(rejections=one.rejections, snapshot="s").SerializeToString()
    first = push_reply(filled(one.results, outcomes), rest, TOKEN)
    assert reply_from_note(one.to_note(rest), outcomes, TOKEN) == first


def test_a_reply_to_materialization_has_counts_and_the_first_hundred_rejections():
    """Not a result a row: a source has millions."""
    rejections = tuple(Rejection(row=row, field="x", reason="why") for row in range(101))
    results = bytes([REJECTED] * 101 + [WRITTEN, SKIPPED_STALE, DUPLICATE])
    data = materialize_reply(results, Draft(results, None, rejections))
    reply = MaterializeRowsReply.FromString(data)
    assert (reply.written, reply.skipped_stale, reply.rejected, reply.duplicates) == (1, 1, 101, 1)
    assert [one.row for one in reply.rejections] == list(range(100))

"""Stores against a dict: any sequence of calls leaves them alike."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hotrow.stores.cluster.store import ClusterStore
from hotrow.stores.cluster.store import create_fresh as create_fresh_cluster
from hotrow.stores.lmdb.old import create_fresh
from hotrow.stores.lmdb.store import LmdbStore
from hotrow.stores.port import ABSENT, SKIPPED_STALE, WRITTEN, Mark, StoredRow, Write, Written, read_rows
from hotrow.stores.redis.store import RedisStore
from hotrow.stores.redis.store import create_fresh as create_fresh_redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

VIEWS = st.sampled_from([b"view___1", b"view___2", b"view__\xff\xff"])
KEYS = st.sampled_from([b"", b"\0", b"a", b"a\0", b"b", b"\xff" * 480]) | st.binary(max_size=12)
TIMES = st.integers(-2, 6)
VERSIONS = st.tuples(TIMES, TIMES)
BODIES = st.sampled_from([0, 4, 5000]).map(bytes)
BATCHES = st.dictionaries(KEYS, st.tuples(VERSIONS, BODIES), max_size=8)
MARKS = st.none() | st.builds(Mark, st.sampled_from([b"m1", b"m2", b"m3"]), st.sampled_from([b"d1", b"d2"]), BODIES)
ENTRIES = st.lists(st.sampled_from([b"", b"entry", bytes(5000)]), max_size=3)
WRITES = st.tuples(VIEWS, BATCHES, MARKS, st.none() | TIMES, ENTRIES)


class StoreMachine(RuleBasedStateMachine):
    """The model: `rows` by view and key, with the times beside; `marks`; `watermarks`; `schemas`; the `outbox`, and the
    last `number` of it.
    """

    def __init__(self, kind, make_row, open_store, renew_store):
        super().__init__()
        self.kind, self.make_row, self.open_store, self.renew_store = kind, make_row, open_store, renew_store
        self.folder = Path(tempfile.mkdtemp())
        self.rows, self.marks, self.watermarks, self.schemas = {}, {}, {}, {}
        self.outbox, self.number = [], 0
        self.store = open_store(kind, self.folder)

    def teardown(self):
        self.store.close()
        if self.kind in ("redis", "cluster"):
            self.renew_store(self.kind, self.folder)  # or every scan would go through the rows of the runs before
        shutil.rmtree(self.folder)

    @rule(writes=st.lists(WRITES, min_size=1, max_size=3))
    def write(self, writes):
        before = self.store.sequence()
        changed, expected, calls, appended = False, [], [], []
        for view, batch, mark, watermark, entries in writes:
            rows = [self.make_row(*version, body) for version, body in batch.values()]
            calls.append(Write(view, list(batch), rows, mark, watermark, entries))
            outcome, touched = self._apply(view, batch, mark, watermark)
            if not (outcome.replayed or outcome.conflict):
                appended += entries
                touched |= bool(entries)
            expected.append(outcome)
            changed |= touched
        after = before + changed
        for key, (digest, note, outcomes, sequence) in self.marks.items():
            self.marks[key] = (digest, note, outcomes, after if sequence is None else sequence)
        expected = [one._replace(sequence=after) if one.sequence is None else one for one in expected]
        assert self.store.write(calls) == expected
        self._append(appended)
        assert self.store.sequence() == after

    def _append(self, entries):
        """Numbers follow on one another, but on Redis, where they are times."""
        found = self.store.read_outbox(self.number)
        numbers = [entry.number for entry in found]
        assert [entry.data for entry in found] == entries
        assert numbers == sorted(set(numbers))
        if self.kind not in ("redis", "cluster"):
            assert numbers == [self.number + place for place in range(1, len(entries) + 1)]
        self.outbox += found
        self.number = numbers[-1] if numbers else self.number

    def _apply(self, view, batch, mark, watermark):
        """What the store should answer (sequence None: that of this call), and whether it should change."""
        if mark and mark.key in self.marks:
            digest, note, outcomes, sequence = self.marks[mark.key]
            if digest != mark.digest:
                return Written(b"", 0, conflict=True), False
            return Written(outcomes, sequence, replayed=True, note=note), False
        outcomes = bytearray()
        for key, (version, body) in batch.items():
            newer = (view, key) not in self.rows or self.rows[view, key][0] < version
            outcomes.append(WRITTEN if newer else SKIPPED_STALE)
            if newer:
                self.rows[view, key] = (version, self.make_row(*version, body))
        touched = WRITTEN in outcomes or bool(mark)
        if watermark is not None:
            before = self.watermarks.get(view)
            touched |= before is None or watermark > before
            self.watermarks[view] = watermark if before is None else max(watermark, before)
        if mark:
            self.marks[mark.key] = (mark.digest, mark.note, bytes(outcomes), None)
        return Written(bytes(outcomes), None, note=mark.note if mark else b""), touched

    @rule(asked=st.lists(st.tuples(VIEWS, st.lists(KEYS, max_size=4)), max_size=3))
    def read(self, asked):
        names = [(view, key) for view, keys in asked for key in keys]
        rows = read_rows(self.store, [view for view, _ in asked], [keys for _, keys in asked])
        assert rows == [self.rows[name][1] if name in self.rows else ABSENT for name in names]

    @rule(data=st.data())
    def remove(self, data):
        names = data.draw(
            st.lists(st.tuples(VIEWS, KEYS) | st.sampled_from([*self.rows, (b"view___1", b"")]), max_size=4)
        )
        stale = self.make_row(-9)
        rows = [StoredRow(*name, self.rows[name][1] if name in self.rows else stale) for name in dict.fromkeys(names)]
        rows += [StoredRow(*name, stale) for name in names]
        assert self.store.remove(rows) == sum(self.rows.pop(name, None) is not None for name in dict.fromkeys(names))

    @rule(back=st.integers(-1, 4))
    def remove_outbox(self, back):
        through = max(self.number - back, 0)
        kept = [entry for entry in self.outbox if entry[0] > through]
        assert self.store.remove_outbox(through) == len(self.outbox) - len(kept)
        self.outbox = kept

    @rule(beyond=st.integers(-2, 3))
    def reserve_outbox(self, beyond):
        self.number = max(self.number, self.number + beyond)
        self.store.reserve_outbox(self.number)

    @rule(fingerprint=st.sampled_from([b"schema_1", b"schema_2"]))
    def put_schemas(self, fingerprint):
        self.schemas[fingerprint] = fingerprint * 3
        self.store.put_schemas({fingerprint: fingerprint * 3})

    @rule()
    def open_again(self):
        if self.kind != "memory":
            before = self.store.id, self.store.epoch, self.store.sequence()
            self.store.close()
            self.store = self.open_store(self.kind, self.folder)
            assert (self.store.id, self.store.epoch, self.store.sequence()) == before

    @rule()
    def rebuild(self):
        if self.kind != "memory":
            before = self.store.id, self.store.epoch + 1
            self.store.close()
            self.renew_store(self.kind, self.folder)
            self.store = self.open_store(self.kind, self.folder)
            assert (self.store.id, self.store.epoch) == before
            self.rows, self.marks, self.watermarks, self.schemas = {}, {}, {}, {}
            self.outbox, self.number = [], self.number if self.kind in ("redis", "cluster") else 0

    @rule()
    def verify(self):
        assert self.store.verify() == []

    @invariant()
    def same(self):
        expected = [StoredRow(*name, self.rows[name][1]) for name in sorted(self.rows)]
        assert by_name(self.store.scan()) == expected
        assert by_name(self.store.scan(b"view___2")) == [row for row in expected if row.view_id == b"view___2"]
        assert self.store.schemas() == self.schemas
        for view in (b"view___1", b"view___2", b"view__\xff\xff"):
            assert self.store.watermark_us(view) == self.watermarks.get(view)
        assert self.store.info().rows == len(self.rows)
        assert self.store.read_outbox(0) == self.outbox
        assert self.store.info().outbox == len(self.outbox)


@pytest.fixture
def run(make_row, open_store, redis_settings):
    """Runs the machine on a kind of store, so many times."""

    def renew(kind, folder):
        if kind == "redis":
            assert create_fresh_redis(redis_settings(folder), "")
            return
        if kind == "cluster":
            assert create_fresh_cluster(redis_settings(folder, kind), "")
            return
        aside = create_fresh(folder / "online")
        assert aside is not None
        shutil.rmtree(aside)

    return lambda kind, examples: _run(lambda: StoreMachine(kind, make_row, open_store, renew), examples)


def _run(machine, examples):
    limits = settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(machine, settings=limits)


@pytest.mark.parametrize("kind", ["memory", "lmdb", "redis", "cluster"])
def test_a_store_is_a_dict(kind, run):
    """No sequence of calls, reopening and rebuilding tells a store from the model."""
    run(kind, 10 if kind == "cluster" else 25)  # there each step goes to 129 slots


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["memory", "lmdb", "lmdb-os", "redis", "cluster"])
def test_a_store_is_a_dict_at_length(kind, run):
    """The same, for longer."""
    run(kind, 500)


@pytest.mark.parametrize(("kind", "expected"), [("lmdb", LmdbStore), ("redis", RedisStore), ("cluster", ClusterStore)])
def test_the_store_is_of_its_kind(tmp_path, open_store, kind, expected):
    """The machine does run on LMDB, or Redis, where it says so."""
    store = open_store(kind, tmp_path)
    assert isinstance(store, expected)
    store.close()


def by_name(rows):
    """Rows in the order of view id and key, whatever order the store has."""
    return sorted(rows, key=lambda stored: (stored.view_id, stored.key))

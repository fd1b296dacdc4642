"""Older stores in a store's folder: kept until a complete one has replaced them and somebody asks."""

from pathlib import Path

import pytest
from hotrow.stores.lmdb.old import create_fresh, note_replaced, remove_replaced
from hotrow.stores.port import Write, read_rows

VIEW = b"horses__"


def test_they_stay_until_a_complete_store_has_replaced_them(folder, make_store, make_row):
    """What two rebuilds put aside, the first of which was cut short; the new store is not touched."""
    for time_us in (1, 2):
        store = make_store()
        store.write([Write(VIEW, [b"k"], [make_row(time_us)])])
        store.close()
        assert create_fresh(folder) == folder / f"old-{time_us}"
        assert remove_replaced(folder) == []
    store = make_store()
    store.write([Write(VIEW, [b"k"], [make_row(3)])])
    note_replaced(folder)
    assert remove_replaced(folder) == [folder / "old-1", folder / "old-2"]
    assert list(folder.glob("old-*")) == []
    assert read_rows(store, [VIEW], [[b"k"]]) == [make_row(3)]
    store.close()
    assert create_fresh(folder) == folder / "old-3"
    assert remove_replaced(folder) == []


def test_a_removal_cut_short_is_gone_on_with(folder, make_store, monkeypatch):
    """The note goes last."""
    make_store().close()
    old = create_fresh(folder)
    (old / "more").touch()
    note_replaced(folder)
    unlink = Path.unlink
    calls = []

    def unlink_once(file):
        if calls:
            raise KeyboardInterrupt
        calls.append(unlink(file))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", unlink_once)
        with pytest.raises(KeyboardInterrupt):
            remove_replaced(folder)
    assert len(list(old.iterdir())) == 2
    assert remove_replaced(folder) == [old]
    assert not old.exists()


def test_what_only_looks_like_one_stays(folder, make_store, tmp_path):
    """A link to elsewhere, a file, and what lies beside."""
    make_store()
    (tmp_path / "mine").mkdir()
    (folder / "old-link").symlink_to(tmp_path / "mine")
    (folder / "old-file").touch()
    note_replaced(folder)
    assert remove_replaced(folder) == []
    assert list((tmp_path / "mine").iterdir()) == []


def test_there_may_be_no_store(folder):
    """Nothing to say, nothing to remove."""
    note_replaced(folder)
    assert remove_replaced(folder) == []

"""The settings decide which store it is."""

import subprocess
import sys

from hotrow.section import OnlineStoreSettings
from hotrow.stores.lmdb.store import LmdbStore
from hotrow.stores.open import open_store


def test_the_store_of_the_settings_is_opened(folder):
    """With its path, size and durability."""
    store = open_store(OnlineStoreSettings(path=folder, size_gib=0.5), project="", writable=True, durability="os")
    assert isinstance(store, LmdbStore)
    info = store.info()
    assert (info.size_bytes, info.details["path"], info.details["durability"]) == (1 << 29, str(folder), "os")
    store.close()


def test_lmdb_is_loaded_when_it_is_opened():
    """Not when the module is imported."""
    source = "import sys, hotrow.stores.open, hotrow.stores.maintenance; sys.exit('lmdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", source], check=False).returncode == 0

"""Kernels are compiled once, and kept by what they were made of."""

import importlib
import subprocess
import sys
from pathlib import Path

from hotrow.codec import compile as policy

KERNELS = {
    "kernel_scan": ["scan"],
    "kernel_key": ["encode_keys"],
    "kernel_page": ["find_rows"],
    "kernel_row": ["encode_rows", "stamp"],
    "kernel_block": ["encode_many_rows", "pack_keys", "compare_versions"],
    "kernel_decode": ["check_row"],
    "kernel_reply": ["respond", "decode", "encode"],
    "kernel_gather": ["gather", "gather_values"],
    "kernel_resp": ["write_read", "write_words", "find_values", "take_values"],
    "kernel_hash": ["hash_octets"],
    "kernel_asof": ["keep_best"],
    "kernel_order": ["sort_by_digit", "count_keys", "take_latest"],
    "kernel_log": ["split_keys"],
    "kernel_slot": ["split", "find_part", "part_bytes", "take_part", "lay_out"],
    "kernel_type": ["see"],
}
SECOND = f"""
import importlib
for module, names in {KERNELS!r}.items():
    loaded = importlib.import_module("hotrow.codec." + module)
    for name in names:
        stats = getattr(loaded, name).stats
        assert sum(stats.cache_hits.values()) == 1 and not stats.cache_misses, (name, stats)
"""


def test_another_process_compiles_nothing():
    """What this process has loaded or compiled, the next one finds in the cache."""
    for module in KERNELS:
        importlib.import_module(f"hotrow.codec.{module}")
    done = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr


def test_the_kernels_are_all_listed_above():
    """A kernel that is added is held to the cache, too."""
    folder = Path(policy.__file__).parent
    found = {
        path.stem: path.read_text(encoding="utf-8").count("\n@kernel(")
        for path in folder.glob("kernel_*.py")
        if "\n@kernel(" in path.read_text(encoding="utf-8")
    }
    assert found == {module: len(names) for module, names in KERNELS.items()}


def test_the_cache_is_named_by_every_kernels_source(tmp_path, monkeypatch):
    """A change of one file, a callee included, is another cache."""
    for path in [*policy._FOLDER.glob("kernel_*.py"), policy._FOLDER / "compile.py"]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(policy, "_FOLDER", tmp_path)
    assert policy._cache_name() == policy.CACHE.name
    names = {policy.CACHE.name}
    for path in sorted(tmp_path.iterdir()):
        path.write_text(path.read_text(encoding="utf-8") + "\n# changed", encoding="utf-8")
        names.add(policy._cache_name())
    assert len(names) == 1 + len(list(tmp_path.iterdir()))


def test_functions_elsewhere_are_kept_as_numba_does():
    """The locator is for kernels alone."""
    assert policy._Locator.from_function(test_functions_elsewhere_are_kept_as_numba_does, __file__) is None

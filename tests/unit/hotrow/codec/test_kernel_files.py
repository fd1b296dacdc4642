"""Files of kernels that are damaged: they are compiled again, and not run."""

import numba
import pytest
from hotrow.codec import compile as policy
from numba.core import caching


@pytest.fixture
def file(tmp_path):
    """The file class that the kernels' cache has, over a folder of its own."""
    made = policy._CheckedFile(str(tmp_path), "kernel", "stamp")
    made.save("key", {"code": b"x" * 1000})
    return made


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("kept", [0, 1, 10, 0.5, -1])
def test_a_file_that_is_cut_is_one_that_is_missing(file, tmp_path, kind, kept):
    """As a full disk or a loss of power leaves it; what is compiled then is kept again."""
    (path,) = tmp_path.glob(f"*.{kind}")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept) if kept == 0.5 else kept])
    assert file.load("key") is None
    file.save("key", {"code": b"y"})
    assert file.load("key") == {"code": b"y"}


def test_a_bit_that_is_another_is_found(file, tmp_path):
    """In the machine code, which would run."""
    (path,) = tmp_path.glob("*.nbc")
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    assert file.load("key") is None


def test_others_files_stay_numbas(tmp_path):
    """Numba reads what is written here, and functions that are no kernels have Numba's own files."""
    policy._CheckedFile(str(tmp_path), "kernel", "stamp").save("key", 1)
    assert caching.IndexDataCacheFile(str(tmp_path), "kernel", "stamp").load("key") == 1
    other = numba.njit(lambda: 1)
    other.enable_caching()
    assert type(other._cache._cache_file) is caching.IndexDataCacheFile
    from hotrow.codec.kernel_key import encode_keys  # noqa: PLC0415 - compiled when it is needed

    assert type(encode_keys._cache._cache_file) is policy._CheckedFile

"""Opening a registry by its location."""

import pytest
from hotrow import Code, HotrowError
from hotrow.registry.open import open_registry


def test_a_folder(tmp_path):
    """Opening makes nothing; a folder that is not there yet is an empty registry."""
    registry = open_registry(str(tmp_path / "registry"))
    assert registry.head("rides") is None
    assert not (tmp_path / "registry").exists()
    assert registry.location == str(tmp_path / "registry")


@pytest.mark.parametrize(("location", "code"), [("", Code.INVALID), ("s3://bucket/x", Code.UNIMPLEMENTED)])
def test_no_registry(location, code):
    """Each says what to give."""
    with pytest.raises(HotrowError, match="folder") as caught:
        open_registry(location)
    assert caught.value.code is code
    assert caught.value.field == "registry"

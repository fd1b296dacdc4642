"""A hotrow.toml that a page shows is one that hotrow takes."""

import re

import pytest
from hotrow.errors import HotrowError
from hotrow.settings import settings_from_file

BLOCK = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _load(folder, block):
    """The settings of a block; one that shows a part of the file is given a project."""
    text = block if block.startswith("project") else f'project = "shown"\n{block}'
    (folder / "hotrow.toml").write_text(text, encoding="utf-8")
    return settings_from_file(folder, {})


def test_settings_that_are_shown_are_taken(committed, tmp_path):
    """Every TOML block of every page loads."""
    pages = [path for path in committed if path.suffix == ".md"]
    blocks = [block for page in pages for block in BLOCK.findall(page.read_text(encoding="utf-8"))]
    assert blocks
    for block in blocks:
        _load(tmp_path, block)


def test_a_misspelt_key_is_found(tmp_path):
    """A block with a key that hotrow does not know fails."""
    with pytest.raises(HotrowError, match="wrokers"):
        _load(tmp_path, "[server]\nwrokers = 2\n")

"""docs/architecture.md shows keys and rows as the codecs describe them, and every layer that is enforced."""

import re
import textwrap
import tomllib

import hotrow.codec.key
import hotrow.codec.row
import pytest

BLOCK = re.compile(r"(?:^ {4}.*\n)+", re.MULTILINE)


@pytest.mark.parametrize("module", [hotrow.codec.key, hotrow.codec.row])
def test_a_layout_is_that_of_the_codec(root, module):
    """The block of the docstring stands on the page, to the letter."""
    [block] = BLOCK.findall(module.__doc__)
    assert textwrap.dedent(block) in (root / "docs/architecture.md").read_text(encoding="utf-8")


def test_the_layers_are_those_that_are_enforced(root):
    """The table has the layers of pyproject.toml, in their order."""
    page = (root / "docs/architecture.md").read_text(encoding="utf-8")
    table = page.partition("\n## Layers\n")[2].partition("\n## ")[0]
    shown = [re.findall(r"`(\w+)`", row) for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)]
    tree = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [c for c in tree["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    assert shown == [re.findall(r"\w+", layer) for layer in contract["layers"]]

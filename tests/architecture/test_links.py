"""A link in the documentation leads somewhere, and a make target that it names exists."""

import re
from pathlib import Path

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)
MAKE = re.compile(r"(?:^|`)make ([a-z]+)", re.MULTILINE)
TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)


def _anchors(text: str) -> set[str]:
    """The anchors that a forge gives the headings of a page."""
    titles = HEADING.findall(FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _broken(page: Path, text: str) -> list[str]:
    broken = []
    for link in LINK.findall(FENCE.sub("", text)):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists():
            broken.append(f"{page}: {link}: no such file")
        elif anchor and anchor not in _anchors(text if target == page else target.read_text(encoding="utf-8")):
            broken.append(f"{page}: {link}: no such heading")
    return broken


def _pages(committed):
    return [(path, path.read_text(encoding="utf-8")) for path in committed if path.suffix == ".md"]


def test_every_link_leads_somewhere(committed):
    """Relative links name files and headings that are there."""
    pages = _pages(committed)
    assert pages
    assert [b for page, text in pages for b in _broken(page, text)] == []


def test_every_make_target_named_exists(root, committed):
    """A command that a page gives can be run."""
    targets = set(TARGET.findall((root / "Makefile").read_text(encoding="utf-8")))
    named = {(page.name, name) for page, text in _pages(committed) for name in MAKE.findall(text)}
    assert [(page, name) for page, name in sorted(named) if name not in targets] == []


def test_a_dead_link_is_found(tmp_path):
    """A missing file and a missing heading are noticed; what is in a code block is not a link."""
    page = tmp_path / "a.md"
    text = "# A title\n[x](b.md) [y](a.md#nothing) [z](#a-title)\n```\n[w](c.md)\n```\n"
    page.write_text(text, encoding="utf-8")
    assert [line.rsplit(": ", 1)[1] for line in _broken(page, text)] == ["no such file", "no such heading"]

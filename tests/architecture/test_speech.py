"""What is committed speaks of the product: no machine, no package index, no trace of how it was made."""

import re
from pathlib import Path

WORDS = re.compile(r"\bissues? #?\d|\bissue #|\b(?:TODO|FIXME|XXX|HACK)\b")
INDEX = re.compile(r"(?:index-url|find-links|registry)\s*[=:]\s*[\"']?https?://|://[\w.-]*/simple\b")
HOMES = re.compile(r"(?:/home/|/Users/)\w|/roo[t]/|[A-Z]:\\\\Users")
ORDINARY = {"/", "/tmp", "/usr", "/opt", "/srv", "/var", "/var/lib", "/home", "/mnt"}


def _machine_paths(root: Path) -> tuple[str, ...]:
    """The folders that only this machine has: the checkout's parent and the user's home."""
    return tuple(f"{path}/" for path in {root.parent, Path.home()} if str(path) not in ORDINARY)


def _complaints(name: str, text: str, paths: tuple[str, ...]) -> list[str]:
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        words = [match.group() for pattern in (WORDS, INDEX, HOMES) if (match := pattern.search(line))]
        words += [word for word in paths if word in line]
        found += [f"{name}:{number} says {word!r}" for word in words]
    return found


def _texts(root: Path, committed):
    for path in committed:
        if path == Path(__file__):
            continue  # it names what it looks for
        try:
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not text


def test_committed_text_speaks_of_the_product(root, committed):
    """No machine path, no address of a package index, no note to self."""
    paths = _machine_paths(root)
    assert [c for name, text in _texts(root, committed) for c in _complaints(name, text, paths)] == []


def test_a_wrong_word_is_found():
    """Each kind of slip is noticed, and ordinary speech is not."""
    slips = ["see issue #3", "TODO: later", "at /home/ann/x", "from https://index.example/simple", "in /src/here/x.py"]
    assert all(_complaints("x", slip, ("/src/here/",)) for slip in slips)
    assert _complaints("x", "an issue of the token; todos; /var/lib/hotrow", ("/src/here/",)) == []

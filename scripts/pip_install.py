"""`pip install` with a line on stderr now and then of what it does: by itself it says a hundred, or with -q none.

Usage: python scripts/pip_install.py ARGUMENT..., as after `pip install`. pip's errors come as they are.
"""

import subprocess
import sys

NAMED_EVERY = 5
"""Of the packages that are fetched: a line for each would be eighty."""


def said(line: str) -> str:
    """What a line of pip's comes to, in words; empty where it says nothing new."""
    word, _, rest = line.strip().partition(" ")
    if word == "Collecting":
        return f"  fetching {rest.split(' ')[0]}"
    if line.startswith("Installing collected packages: "):
        return f"  installing packages: {line.count(',') + 1}"
    return ""


def main() -> int:
    """Run pip, and return its status."""
    command = [sys.executable, "-m", "pip", "install", "--progress-bar", "off", *sys.argv[1:]]
    fetched = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pip:
        assert pip.stdout is not None  # the pipe above
        for line in pip.stdout:
            text = said(line)
            fetched += text.startswith("  fetching")
            if text and (fetched % NAMED_EVERY == 1 or not text.startswith("  fetching")):
                print(text, file=sys.stderr, flush=True)
    return pip.returncode


if __name__ == "__main__":
    sys.exit(main())

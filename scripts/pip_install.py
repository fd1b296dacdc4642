"""`pip install` with a line on stderr now and then of what it does: by itself it says a hundred, or with -q none.

Usage: python scripts/pip_install.py ARGUMENT..., as after `pip install`. pip's errors come as they are.
"""

import subprocess
import sys
import time

LINE_EVERY_S = 3.0


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
    said_s = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pip:
        assert pip.stdout is not None  # the pipe above
        for line in pip.stdout:
            text = said(line)
            if text and (text.startswith("  installing") or time.monotonic() - said_s >= LINE_EVERY_S):
                said_s = time.monotonic()
                print(text, file=sys.stderr, flush=True)
    return pip.returncode


if __name__ == "__main__":
    sys.exit(main())

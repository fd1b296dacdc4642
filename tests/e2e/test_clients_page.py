"""The examples in docs/clients-python.md print what the page shows."""

import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/clients-python.md"
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_examples_print_what_is_shown(rides_address):
    printed, namespace, shown = "", {}, 0
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(text.replace("127.0.0.1:6565", rides_address), namespace)  # the page's own code
            printed = out.getvalue()
        else:
            assert printed.rstrip() == text.rstrip()
            shown += 1
    assert shown == 6
    namespace["client"].close()

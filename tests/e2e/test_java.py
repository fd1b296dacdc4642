"""The Java client as a service uses it: the examples of docs/clients-java.md, and the example service.

Its own tests are JUnit's, which `make java` runs; here is what they leave: the built jars.
"""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from hotrow_client import Client

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "clients/java/example/target"
PAGE = (ROOT / "docs/clients-java.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(java|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
END = "-- the end of a block --"

pytestmark = pytest.mark.skipif(
    shutil.which("java") is None or not list(EXAMPLE.glob("lib/hotrow-client-*.jar")),
    reason="the Java client is not built: run make java",
)


def _run(file: Path, address: str) -> str:
    """What a program of one file prints."""
    command = ["java", "-cp", str(EXAMPLE / "lib/*"), str(file), address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _pairs() -> list[tuple[str, str]]:
    """Each block of code with the output that is shown for it."""
    blocks = BLOCK.findall(PAGE)
    assert [kind for kind, _ in blocks] == ["java", "text"] * (len(blocks) // 2)
    texts = [text for _, text in blocks]
    return list(zip(texts[::2], texts[1::2], strict=True))


def test_the_program_prints_what_is_shown(tmp_path, rides_address):
    """The first block is a file of its own."""
    program, shown = _pairs()[0]
    file = tmp_path / "Rides.java"
    file.write_text(program, encoding="utf-8")
    assert _run(file, rides_address).rstrip() == shown.rstrip()


def test_the_examples_print_what_is_shown(tmp_path, rides_address):
    """The others follow one another in one method."""
    pairs = _pairs()[1:]
    body = "".join(f'{code}System.out.println("{END}");\n' for code, _ in pairs)
    file = tmp_path / "Page.java"
    file.write_text(
        "import static dev.hotrow.client.Columns.*;\nimport dev.hotrow.client.*;\nimport java.time.*;\n"
        "import java.util.*;\nimport java.util.concurrent.*;\n"
        "class Page { public static void main(String[] arguments) throws Exception {\n"
        f"try (HotrowClient client = HotrowClient.connect(arguments[0])) {{\n{body}}}}}}}\n",
        encoding="utf-8",
    )
    printed = [text.strip() for text in _run(file, rides_address).split(END)[:-1]]
    assert printed == [shown.strip() for _, shown in pairs]


def _get(url: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_example_service(rides_address):
    """A score from features, one where there are none, and a word on what is asked wrongly."""
    with Client(rides_address) as client:
        client.push("driver_stats_push", {"driver_id": [1021], "conv_rate": [0.25], "avg_daily_trips": [20]})
    [jar] = EXAMPLE.glob("hotrow-example-*.jar")
    command = ["java", "-jar", str(jar), rides_address, "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as service:
        try:
            url = service.stdout.readline().split()[-1].partition("?")[0]
            assert _get(f"{url}?driver_id=1021") == (200, {"driver_id": 1021, "score": 0.25})
            assert _get(f"{url}?driver_id=1022") == (200, {"driver_id": 1022, "score": 0.5})
            assert _get(f"{url}?driver_id=x") == (400, {"error": "ask for /score?driver_id=NUMBER"})
        finally:
            service.terminate()
        _, errors = service.communicate(timeout=60)
    assert errors == ""

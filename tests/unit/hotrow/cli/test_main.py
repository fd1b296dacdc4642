"""The command line as a whole: help, errors, exit codes, and what it does not load."""

import subprocess
import sys

import pytest
from hotrow.cli import main as main_module
from hotrow.errors import invalid

GROUPS = {"registry": 8, "features": 3, "store": 4}
COMMANDS = [
    "init",
    "plan",
    "apply",
    "materialize",
    "materialize-incremental",
    "serve",
    "server",
    "ingest",
    "get",
    "push",
    "bench",
    "registry",
    "features",
    "store",
]


def test_help_loads_nothing_heavy():
    """Help appears at once: no compiler, no store, no Arrow, no gRPC."""
    code = (
        "import sys\nfrom hotrow.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "materialize-incremental" in run.stdout
    assert set(run.stderr.split()) & {"numba", "lmdb", "pyarrow", "numpy", "grpc", "rich"} == set()


def test_every_command_is_there_and_says_what_it_does(hotrow):
    """Each has a help text with more than its own name."""
    listing = hotrow("--help").out
    for command in COMMANDS:
        assert f"  {command} " in listing
        text = hotrow(command, "--help").out
        assert "Usage: hotrow " + command in text
        assert len(text.splitlines()) > 6


@pytest.mark.parametrize(
    "command",
    ["init", "plan", "apply", "materialize", "materialize-incremental", "get", "push", "bench", "registry diff"],
)
def test_help_has_examples_that_stand_in_lines(hotrow, command):
    """Examples are not wrapped into a paragraph, and are of this command."""
    lines = hotrow(*command.split(), "--help").out.splitlines()
    examples = lines[lines.index("  Examples:") + 1 :]
    assert examples[0].startswith("    hotrow ")
    assert any(line.startswith(f"    hotrow {command}") for line in examples)


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["plan", "--frobnicate"], ["get"], ["materialize", "2024-01-01"]]
)
def test_a_wrong_command_line_exits_with_2(hotrow, arguments):
    """As shells and scripts expect of usage."""
    outcome = hotrow(*arguments)
    assert outcome.code == 2
    assert "Usage:" in outcome.err
    assert outcome.out == ""


def test_an_error_is_one_line_on_stderr(hotrow, tmp_path):
    """No traceback; the exit code is 1."""
    outcome = hotrow("plan", "-C", tmp_path)
    assert outcome.code == 1
    assert outcome.err.startswith("error: there is no hotrow.toml in ")
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


def _failing(error):
    def run(*_arguments, **_options):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (invalid("a is no b"), 1, "error: a is no b\n"),
        (FileNotFoundError(2, "No such file or directory", "rows.jsonl"), 1, "error: rows.jsonl: No such file"),
        (RuntimeError("boom"), 1, "error: unforeseen RuntimeError: boom; this is a defect of hotrow"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_whatever_is_raised_becomes_a_line_and_a_code(monkeypatch, hotrow, error, code, says):
    """A person at a terminal never meets a traceback that was not asked for."""
    monkeypatch.setattr(main_module, "app", _failing(error))
    outcome = hotrow("plan")
    assert outcome.code == code
    assert outcome.err.startswith(says)
    assert "Traceback" not in outcome.err


def test_a_traceback_that_is_asked_for_is_shown(monkeypatch, hotrow):
    """For reports of defects."""
    monkeypatch.setattr(main_module, "app", _failing(RuntimeError("boom")))
    assert "Traceback" in hotrow("--traceback", "plan").err


def test_version(hotrow):
    """One line."""
    outcome = hotrow("--version")
    assert (outcome.code, outcome.out.split()[0]) == (0, "hotrow")


def test_the_module_runs_too():
    """`python -m hotrow.cli.main`."""
    run = subprocess.run([sys.executable, "-m", "hotrow.cli.main", "--version"], capture_output=True, check=True)
    assert run.stdout.startswith(b"hotrow ")


def test_a_reader_that_goes_away_is_no_error_message(rides):
    """`hotrow ... | head -1`."""
    program = f"{sys.executable} -m hotrow.cli.main -C {rides} plan | head -1"
    run = subprocess.run(program, shell=True, capture_output=True, text=True, check=True)
    assert "Traceback" not in run.stderr
    assert "BrokenPipe" not in run.stderr

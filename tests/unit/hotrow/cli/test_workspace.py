"""Finding the repository."""

import pytest
from hotrow.cli.workspace import find_repo, named_first
from hotrow.errors import HotrowError


@pytest.fixture
def repo(tmp_path):
    (tmp_path / "hotrow.toml").write_text('project = "p"\n')
    (tmp_path / "a" / "b").mkdir(parents=True)
    return tmp_path


def test_upwards_from_here(repo, monkeypatch):
    """A command works from a sub-folder too."""
    monkeypatch.chdir(repo / "a" / "b")
    assert find_repo(None) == repo


def test_named(repo, monkeypatch):
    """After the command, before it, as a folder or as the file."""
    monkeypatch.chdir("/")
    assert find_repo(repo) == repo
    assert find_repo(repo / "hotrow.toml") == repo
    token = named_first.set(repo)
    assert find_repo(None) == repo
    named_first.reset(token)


def test_the_nearer_name_wins(repo, tmp_path_factory):
    """What is said after the command is said of the command."""
    token = named_first.set(tmp_path_factory.mktemp("other"))
    assert find_repo(repo) == repo
    named_first.reset(token)


def test_a_named_folder_is_not_searched_upwards(repo):
    """A wrong name is a mistake, and not another repository."""
    with pytest.raises(HotrowError, match=r"no hotrow.toml in .*/a;"):
        find_repo(repo / "a")


def test_none_at_all(tmp_path, monkeypatch):
    """The message says how to get one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HotrowError, match="hotrow init"):
        find_repo(None)

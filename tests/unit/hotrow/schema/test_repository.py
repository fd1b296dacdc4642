"""Loading the Python files of a feature repository."""

import sys
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest
from hotrow import Code, HotrowError
from hotrow.schema.repository import load_definitions

ENTITY = """
from hotrow import Entity, Int64
driver = Entity("driver", join_keys={"driver_id": Int64})
"""
VIEW = """
from hotrow import FeatureView, Field, Float64
from entities import driver
stats = FeatureView("stats", entities=[driver], schema=[Field("fare", Float64)])
"""


@pytest.fixture(autouse=True)
def byte_code(monkeypatch):
    """Byte code is written as usual, whatever the environment says."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


def _write(folder: Path, **files: str) -> Path:
    for name, source in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source))
    return folder


def _refusal(folder: Path) -> str:
    with pytest.raises(HotrowError) as caught:
        load_definitions(folder)
    assert caught.value.code is Code.INVALID
    return caught.value.message


def test_files_import_one_another(tmp_path):
    """An imported definition is the same object, whichever file comes first."""
    repo = _write(tmp_path, entities=ENTITY, a_view=VIEW)
    definitions = load_definitions(repo)
    assert list(definitions.entities) == ["driver"]
    assert definitions.views["stats"].entities == (definitions.entities["driver"],)
    assert definitions.views["stats"].entities[0] is definitions.entities["driver"]


def test_each_file_runs_once(tmp_path, capsys):
    """Being imported and being a file of the repository is one run."""
    load_definitions(_write(tmp_path, entities=ENTITY + "print('ran')", a_view=VIEW, z_view="import hotrow, a_view"))
    assert capsys.readouterr().out == "ran\n"


def test_folders_are_packages(tmp_path):
    """With and without `__init__.py`, relative imports included; odd file names are loaded too."""
    repo = _write(
        tmp_path,
        features__entities=ENTITY,
        features__stats=VIEW.replace("from entities", "from .entities"),
        more____init__="",
        more__push="from hotrow import PushSource\nfrom features.stats import stats\np = PushSource('p', view=stats)",
    )
    (repo / "my-service.py").write_text(
        "from hotrow import FeatureService\nfrom features.stats import stats\ns = FeatureService('s', features=[stats])"
    )
    definitions = load_definitions(repo)
    assert (list(definitions.push_sources), list(definitions.services)) == (["p"], ["s"])


def test_referred_definitions_come_along(tmp_path):
    """What is not named at the top level but referred to is part of the definitions; lists and dicts count."""
    definitions = load_definitions(
        _write(
            tmp_path,
            defs="""
            from hotrow import Entity, FeatureService, FeatureView, Field, Int64
            def view(name):
                return FeatureView(name, entities=[Entity("e", join_keys={"k": Int64})], schema=[Field("x", Int64)])
            s = FeatureService("s", features=[view("one")])
            many = [view("two"), view("three")]
            named = {"x": view("four")}
            shared = Field("x", Int64)
            shared_too = Field("x", Int64, unit="m")
            """,
        )
    )
    assert list(definitions.views) == ["four", "one", "three", "two"]
    assert list(definitions.entities) == ["e"]


def test_skipped_files_and_folders(tmp_path):
    """Files that import nothing from hotrow, and the folders of data, registry and environments, are not run."""
    repo = _write(
        tmp_path,
        entities=ENTITY,
        script="raise SystemExit('hotrow is only mentioned')",
        python_2="print 'old'",
        data__x="import hotrow; raise ValueError",
        registry__x="import hotrow; raise ValueError",
        sub__data__x="import hotrow; raise ValueError",
    )
    for hidden in (".venv", ".git"):
        _write(repo / hidden, x="import hotrow; raise ValueError")
    assert list(load_definitions(repo).entities) == ["driver"]


def test_names_of_the_standard_library_do_not_collide(tmp_path):
    """`types.py` in a repository is loaded, and `import types` anywhere stays the standard library's."""
    repo = _write(tmp_path, types=ENTITY, json=ENTITY.replace('"driver"', '"rider"') + "import types\ntypes.ModuleType")
    assert list(load_definitions(repo).entities) == ["driver", "rider"]


def test_modules_loaded_elsewhere_do_not_collide(tmp_path, monkeypatch):
    """A repository's files see their own `entities`, and afterwards the process sees the other one again."""
    elsewhere = ModuleType("entities")
    monkeypatch.setitem(sys.modules, "entities", elsewhere)
    assert list(load_definitions(_write(tmp_path, entities=ENTITY, views=VIEW)).views) == ["stats"]
    assert sys.modules["entities"] is elsewhere


def test_nothing_is_left_behind(tmp_path):
    """Neither modules nor finders nor byte code stay, so that two repositories do not meet."""
    finders, path = list(sys.meta_path), list(sys.path)
    load_definitions(_write(tmp_path / "one", entities=ENTITY, views=VIEW))
    other = load_definitions(_write(tmp_path / "two", entities=ENTITY.replace("driver_id", "other_id"), views=VIEW))
    assert [key.name for key in other.views["stats"].join_keys] == ["other_id"]
    assert (sys.meta_path, sys.path) == (finders, path)
    assert {"entities", "views"} & set(sys.modules) == set()
    assert list(tmp_path.rglob("__pycache__")) == []


def test_an_edit_within_the_second_is_seen(tmp_path):
    """Python's own byte code cache would not see a change of the same length and second."""
    repo = _write(tmp_path, entities=ENTITY)
    assert list(load_definitions(repo).entities) == ["driver"]
    _write(repo, entities=ENTITY.replace('"driver"', '"riders"'))
    assert list(load_definitions(repo).entities) == ["riders"]


def test_two_definitions_of_one_name(tmp_path):
    """Both places are named, by file and line; the same definition twice is one."""
    repo = _write(tmp_path, a=ENTITY, b=ENTITY)
    assert list(load_definitions(repo).entities) == ["driver"]
    _write(repo, b=ENTITY.replace("Int64", "String"))
    assert "entity 'driver' is defined in a.py:3 and differently in b.py:3; rename one" in _refusal(repo)


def test_importing_file_is_not_blamed(tmp_path):
    """A file that only imports a definition is not the place that the message names."""
    repo = _write(tmp_path, a_view=VIEW, entities=ENTITY, z=ENTITY.replace("Int64", "String"))
    assert "is defined in entities.py:3 and differently in z.py:3" in _refusal(repo)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import hotrow\nx = 1 +\n", "bad.py:2: cannot be read as Python: invalid syntax"),
        ("import hotrow\n\n1 / 0\n", "bad.py:3: ZeroDivisionError: division by zero"),
        ("import hotrow\nimport no_such_module\n", "bad.py:2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("import hotrow\nraise SystemExit(3)\n", "bad.py:2: SystemExit: 3"),
        ("from hotrow import Nothing\n", "bad.py:1: ImportError: cannot import name 'Nothing'"),
        ("import hotrow\n\nhotrow.Field('Bad', hotrow.Int64)\n", "bad.py:3: field 'Bad': a name has at most"),
        ("import hotrow\nhotrow.Array(float)\n", "bad.py:2: TypeError: Array takes one of"),
        ("import hotrow\x00", "bad.py:1: cannot be read as Python"),
        ("import hotrow\nfrom helper import f\nf()\n", "helper.py:2: KeyError: 'x'"),
    ],
)
def test_errors_name_file_and_line(tmp_path, source, expected):
    """The line is the last one of the repository's own files that ran."""
    repo = _write(tmp_path, helper="def f():\n    {}['x']\n")
    (repo / "bad.py").write_text(source)
    assert expected in _refusal(repo)


def test_a_failed_load_leaves_nothing(tmp_path):
    """Also after an error the process is as it was."""
    _refusal(_write(tmp_path, entities=ENTITY, views=VIEW, z="import hotrow; 1/0"))
    assert {"entities", "views", "z"} & set(sys.modules) == set()


def test_no_folder(tmp_path):
    """A missing folder is named."""
    assert "is no folder" in _refusal(tmp_path / "nothing")
    assert load_definitions(tmp_path).views == {}

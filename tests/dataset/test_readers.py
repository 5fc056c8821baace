from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.dataset.readers import READERS, read_stubs
from pytest_isobench.dataset.stubs import Stub
from pytest_isobench.errors import TaskError
from pytest_isobench.models.task import Task

pyarrow = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402


def record(name: str = "one", **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "repo": "org/project",
        "marks": ["serving"],
        "source": {"kind": "git", "repository": "https://example.org/p.git", "human": "a" * 40, "base": "b" * 40},
        "workload": {"kind": "python", "code": "def run(x):\n    return x\n"},
        "tolerance": {"float": {"relative": 1e-6}},
        "resources": {"gpus": 1},
        **changes,
    }


def write_yaml(path: Path, records: list[Any]) -> None:
    path.write_text(yaml.safe_dump({"version": 1, "tasks": records}, allow_unicode=True))


def write_json(path: Path, records: list[Any]) -> None:
    path.write_text(json.dumps({"version": 1, "tasks": records}, indent=2))


def write_jsonl(path: Path, records: list[Any]) -> None:
    path.write_text("".join(json.dumps(item) + "\n" for item in records))


def write_parquet(path: Path, records: list[Any]) -> None:
    names = {name: None for item in records for name in item}
    parquet.write_table(pyarrow.Table.from_pylist([{**names, **item} for item in records]), path)


def write_parquet_of_text(path: Path, records: list[Any]) -> None:
    rows = [{name: value if isinstance(value, str) else json.dumps(value) for name, value in item.items()} for item in records]
    write_parquet(path, rows)


WRITERS: dict[str, Callable[[Path, list[Any]], None]] = {
    "a.yaml": write_yaml,
    "b.yml": write_yaml,
    "c.json": write_json,
    "d.jsonl": write_jsonl,
    "e.parquet": write_parquet,
    "f.parquet": write_parquet_of_text,
}


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[list[Any]], Path]:
    def written(records: list[Any]) -> Path:
        WRITERS[request.param](path := tmp_path / request.param, records)
        return path

    return written


def stubs_of(tmp_path: Path, name: str, content: str | bytes) -> list[Stub]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_stubs(path))


def load_all(path: Path) -> list[Task]:
    return [stub.load() for stub in read_stubs(path)]


def trouble(tmp_path: Path, name: str, content: str | bytes) -> TaskError:
    """The error of the file, or of its first record."""
    with pytest.raises(TaskError) as caught:
        stubs_of(tmp_path, name, content)[0].load()
    return caught.value


def test_every_format_gives_the_same_tasks(write: Callable[[list[Any]], Path]) -> None:
    records = [record("one"), record("two", description="ünïcode 🎉 \t\n 'quotes\"")]
    stubs = list(read_stubs(write(records)))
    assert [stub.load() for stub in stubs] == [Task.model_validate(item) for item in records]


def test_a_stub_knows_what_collecting_needs(write: Callable[[list[Any]], Path]) -> None:
    stub = next(read_stubs(path := write([record(language="rust")])))
    assert (stub.path, stub.id, stub.repo, stub.language) == (path, "one", "org/project", "rust")
    assert (stub.marks, stub.base, stub.human, stub.gpus) == (("serving",), "b" * 40, "a" * 40, 1)


def test_a_record_with_few_fields_is_enough(write: Callable[[list[Any]], Path]) -> None:
    least = {"id": "x", "source": {"kind": "path", "base": "a", "patch": "p.diff"}, "workload": {"kind": "python", "file": "w.py"}}
    stub = next(read_stubs(write([least])))
    assert (stub.repo, stub.language, stub.marks, stub.base, stub.human, stub.gpus) == ("", "python", (), "a", "p.diff", 0)
    assert stub.load().id == "x"


def test_a_broken_record_leaves_its_neighbours_alone(write: Callable[[list[Any]], Path]) -> None:
    wrong = record("wrong", source={"kind": "git", "repository": "r", "humn": "x"})
    first, second, third = read_stubs(write([record("first"), wrong, record("third")]))
    assert (first.load().id, second.id, third.load().id) == ("first", "wrong", "third")
    with pytest.raises(TaskError, match=r"unknown field \(did you mean 'human'\?\); allowed: kind, repository") as caught:
        second.load()
    assert caught.value.field == "source.humn"
    assert caught.value.path == second.path
    assert caught.value.line is not None


def test_the_later_record_of_an_id_is_broken(write: Callable[[list[Any]], Path]) -> None:
    first, second, third = read_stubs(write([record("same"), record("same"), record("other")]))
    assert first.load().id == "same"
    assert third.load().id == "other"
    assert second.id == f"same-line-{second.line}"
    with pytest.raises(TaskError, match=rf"'same' is given twice, on line {first.line} and here on line {second.line}"):
        second.load()


def test_records_on_one_line_are_told_apart(tmp_path: Path) -> None:
    records = [record("same"), record("same"), record("same"), {}, {}, record("other")]
    stubs = stubs_of(tmp_path, "a.json", json.dumps({"version": 1, "tasks": records}))
    assert [stub.id for stub in stubs] == ["same", "same-line-1", "same-line-1-2", "line-1", "line-1-4", "other"]
    for stub, message in zip(stubs[1:5], ["given twice", "given twice", "is missing", "is missing"], strict=True):
        with pytest.raises(TaskError, match=message):
            stub.load()


def test_more_records_than_anybody_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_isobench.dataset.stubs.RECORDS", 3)
    write_jsonl(tmp_path / "a.jsonl", [1] * 4)
    with pytest.raises(TaskError, match="is one of more than 3 tasks"):
        list(read_stubs(tmp_path / "a.jsonl"))


WRONG_FIELDS = [
    ({"id": "has blank"}, "id", "should match pattern"),
    ({"id": None}, "id", "is missing|valid string"),
    ({"sorce": 1}, "sorce", r"did you mean 'source'\?"),
    ({"source": {"kind": "gti"}}, "source.kind", r"unknown kind 'gti' \(did you mean 'git'\?\); allowed: git, path, pypi"),
    ({"source": {"repository": "x"}}, "source.kind", "is missing; allowed: git, path, pypi"),
    ({"source": {"kind": "git", "repository": "r"}}, "source", "give either 'human' .* or 'patch'"),
    ({"workload": {"kind": "python", "code": "x", "timeout": -1}}, "workload.timeout", "greater than 0, not -1"),
    ({"workload": {"kind": "python", "code": "x", "reference": "humann"}}, "workload.reference", "'baseline' or 'human', not 'humann'"),
    ({"resources": {"cpus": "2"}}, "resources.cpus", "valid integer, not '2'"),
    ({"checks": [{"name": "a", "command": ["x"]}, {"name": "b", "comand": ["x"]}]}, "checks[1].comand", "did you mean 'command'"),
    ({"tolerance": {"float32": {"relativ": 1}}}, "tolerance.float32.relativ", r"did you mean 'relative'\?\); allowed: relative, absolute"),
    ({"marks": ["a"] * 1001}, None, "has more than 1,000 values"),
    ({"environment": {"python": "2.7"}}, "environment.python", "not '2.7'"),
    ({"margin": 2}, "margin", "less than 1, not 2"),
]


@pytest.mark.parametrize(("changes", "field", "message"), WRONG_FIELDS, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("name", ["a.yaml", "c.json", "d.jsonl"])
def test_an_error_names_field_value_and_what_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, changes: dict[str, Any], field: str | None, message: str
) -> None:
    monkeypatch.setattr("pytest_isobench.dataset.records.VALUES", 1000)
    WRITERS[name](tmp_path / name, [record(**changes)])
    with pytest.raises(TaskError, match=message) as caught:
        next(read_stubs(tmp_path / name)).load()
    assert caught.value.field == field


def test_a_number_for_text_says_how_to_write_it(tmp_path: Path) -> None:
    source = "  source:\n    kind: pypi\n    package: p\n    base: 25.0\n    human: '26.0'\n"
    error = trouble(tmp_path, "a.yaml", f"version: 1\ntasks:\n- id: a\n{source}  workload: {{kind: python, code: x}}\n")
    assert (error.field, error.line) == ("source.base", 7)
    assert "not 25.0; write it in quotes" in str(error)


def test_json_names_the_line_of_the_field(tmp_path: Path) -> None:
    text = json.dumps({"version": 1, "tasks": [record("a"), record("b", margin=7)]}, indent=1)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(TaskError) as caught:
        list(read_stubs(tmp_path / "a.json"))[1].load()
    assert caught.value.line == 1 + text.splitlines().index('   "margin": 7')


def test_an_unusable_id_becomes_the_line(tmp_path: Path) -> None:
    stubs = stubs_of(tmp_path, "a.jsonl", '{"id": "ok"}\n\n{"id": 7}\n{}\nnot json\n[1]\n"text"\n')
    assert [stub.id for stub in stubs] == ["ok", "line-3", "line-4", "line-5", "line-6", "line-7"]
    for stub in stubs[1:]:
        with pytest.raises(TaskError) as caught:
            stub.load()
        assert caught.value.line == stub.line


BROKEN_LINES = {
    "nul": b'{"id": "a\0b"}',
    "latin-1": '{"id": "é"}'.encode("latin-1"),
    "torn": b'{"id": "a", "sour',
    "twice": b'{"id": "a", "id": "b"}',
    "twice inside": b'{"id": "a", "source": {"kind": "git", "kind": "git"}}',
    "NaN": b'{"id": "a", "margin": NaN}',
    "Infinity": b'{"id": "a", "margin": -Infinity}',
    "huge number": b'{"id": "a", "margin": 1e999}',
    "long number": b'{"id": "a", "margin": ' + b"1" * 5000 + b"}",
    "deep": b'{"id": "a", "marks": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "rather deep": b'{"id": "a", "marks": ' + b"[" * 70 + b"]" * 70 + b"}",
    "surrogate": rb'{"id": "a", "description": "\ud800"}',
    "control": b'{"id": "a\x1b"}',
    "array": b"[1, 2]",
    "version": json.dumps({**record(), "version": 2}).encode(),
    "no version": json.dumps({**record(), "version": None}).encode(),
}


@pytest.mark.parametrize("line", BROKEN_LINES.values(), ids=BROKEN_LINES)
def test_a_broken_line_leaves_its_neighbours_alone(tmp_path: Path, line: bytes) -> None:
    good = [json.dumps(record(name)).encode() for name in ("first", "last")]
    first, broken, last = stubs_of(tmp_path, "a.jsonl", b"\n".join([good[0], b" " * 9000, line, good[1]]))
    assert (first.load().id, last.load().id) == ("first", "last")
    with pytest.raises(TaskError) as caught:
        broken.load()
    assert caught.value.line == 3


def test_a_line_may_carry_the_version_and_be_the_last_without_an_end(tmp_path: Path) -> None:
    (stub,) = stubs_of(tmp_path, "a.jsonl", b"\xef\xbb\xbf" + json.dumps({**record(), "version": 1}).encode() + b"\r")
    assert stub.load().id == "one"


def test_a_line_that_is_too_long_is_broken_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_isobench.dataset.jsonl_reader.LINE_LIMIT", 2000)
    monkeypatch.setattr("pytest_isobench.dataset.jsonl_reader._BUFFER", 1000)
    long = json.dumps(record("long", description="x" * 9000))
    first, broken, last = stubs_of(tmp_path, "a.jsonl", "\n".join([json.dumps(record("first")), long, json.dumps(record("last"))]))
    assert (first.load().id, last.load().id) == ("first", "last")
    with pytest.raises(TaskError, match="longer than"):
        broken.load()


def test_a_file_that_changed_after_collecting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [record()])
    (stub,) = read_stubs(path)
    write_jsonl(path, [record("other-name")])
    with pytest.raises(TaskError, match="was changed after its tasks were collected"):
        stub.load()
    path.unlink()
    with pytest.raises(TaskError, match="cannot be read any more"):
        stub.load()


def bomb(levels: int = 30) -> str:
    steps = "".join(f"  a{i + 1}: &a{i + 1} [*a{i}, *a{i}, *a{i}, *a{i}, *a{i}, *a{i}, *a{i}, *a{i}]\n" for i in range(levels))
    return f"version: 1\ntasks:\n- id: bomb\n  a0: &a0 lol\n{steps}- id: good\n"


BAD_FILES: dict[str, tuple[str, str | bytes, str, int | None]] = {
    "empty": ("a.yaml", b"", "is empty", None),
    "empty lines": ("a.jsonl", b"\n\n  \n", "holds no tasks", None),
    "comments": ("a.yaml", "# nothing\n\n", "holds no tasks", None),
    "binary": ("a.yaml", bytes(range(256)) * 10, "NUL byte", 1),
    "binary lines": ("a.jsonl", os.urandom(20_000) + b"\0", "NUL byte|UTF-16|not JSON|not UTF-8", None),
    "UTF-16": ("a.yaml", "version: 1".encode("utf-16"), "is UTF-16; save the file as UTF-8", 1),
    "UTF-16 JSON": ("a.json", '{"version": 1}'.encode("utf-16"), "is UTF-16", 1),
    "UTF-16 lines": ("a.jsonl", '{"id": "a"}'.encode("utf-16"), "is UTF-16", 1),
    "UTF-16 without mark": ("a.yaml", "version: 1".encode("utf-16-le"), "NUL byte: a binary file, or UTF-16", 1),
    "latin-1": ("a.yaml", "version: 1\ntasks: [é]".encode("latin-1"), "byte 0xe9 is not UTF-8", 2),
    "NUL": ("a.json", b'{"version": 1,\n "tasks": ["\0"]}', "NUL byte", 2),
    "control": ("a.yaml", b"version: 1\ntasks:\n- \x07", r"character .* YAML does not allow", 3),
    "bare list": ("a.yaml", "- id: a\n", "put 'version: 1' first, and this list under 'tasks:'", 1),
    "bare JSON list": ("a.json", "[{}]", "the file holds one object", 1),
    "scalar": ("a.yaml", "hello", "the file is a mapping", 1),
    "JSON scalar": ("a.json", "17", "the file holds one object", 1),
    "no version": ("a.yaml", "tasks: []", "version: is missing; write 'version: 1'", None),
    "unknown version": ("a.yaml", "tasks: []\nversion: 2", "version: 2 is unknown; known: 1", 2),
    "text version": ("a.yaml", "tasks: []\nversion: '1'", "'1' is unknown; known: 1", 2),
    "true version": ("a.json", '{"version": true,\n "tasks": []}', "True is unknown", 1),
    "JSON version": ("a.json", '{"tasks": [],\n "version": 9}', "9 is unknown; known: 1", 2),
    "unknown field": ("a.yaml", "version: 1\ntask: []", r"'task' \(did you mean 'tasks'\?\); allowed: version, tasks", 2),
    "unknown JSON field": ("a.json", '{"version": 1,\n"task": []}', r"did you mean 'tasks'", 2),
    "twice": ("a.yaml", "version: 1\nversion: 1\ntasks: []", "version: is given twice", 2),
    "JSON twice": ("a.json", '{"version": 1,\n"version": 1, "tasks": []}', "version: is given twice", 2),
    "no tasks": ("a.yaml", "version: 1", "tasks: is missing", None),
    "tasks no list": ("a.yaml", "version: 1\ntasks: {}", "should be a list", 2),
    "JSON tasks no list": ("a.json", '{"version": 1, "tasks": {}}', "should be a list", None),
    "syntax": ("a.yaml", "version: 1\ntasks:\n- id: [a\n- b", "is not YAML", 4),
    "JSON syntax": ("a.json", '{"version": 1,\n"tasks": [}', "is not JSON: Expecting value", 2),
    "documents": ("a.yaml", "version: 1\ntasks: []\n---\nversion: 1", "a second document", 3),
    "deep": ("a.yaml", "version: 1\ntasks: " + "[" * 100_000, "deeper than 64 levels", 2),
    "deep blocks": ("a.yaml", "version: 1\ntasks:\n" + "- " * 50_000, "deeper than 64 levels", 3),
    "deep JSON": ("a.json", '{"version": 1, "tasks": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply", None),
    "unknown ending": ("a.toml", "x = 1", r"'.toml' is not a kind of task file; allowed: .yaml, .yml, .json, .jsonl, .parquet", None),
    "no ending": ("tasks", "x", "'no ending' is not a kind", None),
    "not Parquet": ("a.parquet", b"PAR1 but not really", "is not Parquet", None),
    "YAML in JSON": ("a.json", "version: 1", "is not JSON", 1),
}


@pytest.mark.parametrize("case", BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, case: tuple[str, str | bytes, str, int | None]) -> None:
    name, content, message, line = case
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(TaskError, match=message) as caught:
        load_all(tmp_path / name)
    assert name in str(caught.value)
    assert line is None or caught.value.line == line


BROKEN_YAML = {
    "bomb": (bomb().removeprefix("version: 1\ntasks:\n").removesuffix("- id: good\n"), "grows beyond 32 MiB", None),
    "cycle": ("- &me\n  id: a\n  marks: *me\n", "marks: .me is a part of itself", 3),
    "cycle in a list": ("- id: a\n  marks: &x [*x]\n", r"marks\[0\]: .x is a part of itself", 2),
    "unknown anchor": ("- id: a\n  marks: *nowhere\n", "nowhere is used but not defined", 2),
    "python tag": ("- id: a\n  repo: !!python/object/apply:os.system [x]\n", "tag !!python/object/apply:os.system is not allowed", 2),
    "own tag": ("- id: a\n  repo: !mine x\n", "tag !mine is not allowed", 2),
    "set": ("- id: a\n  marks: !!set {a, b}\n", "tag !!set is not allowed", 2),
    "twice": ("- id: a\n  repo: x\n  repo: x\n", "repo: 'repo' is given twice", 3),
    "twice inside": ("- id: a\n  source:\n    kind: git\n    kind: git\n", "source.kind: 'kind' is given twice", 4),
    "NaN": ("- id: a\n  margin: .nan\n", "not a finite number", 2),
    "infinity": ("- id: a\n  margin: -.inf\n", "not a finite number", 2),
    "number as name": ("- id: a\n  1: x\n", "the name of a field is text, not 1; write it in quotes", 2),
    "on as name": ("- id: a\n  on: x\n", "not True; write it in quotes", 2),
    "list as name": ("- id: a\n  [b]: x\n", "the name of a field is text", 2),
    "wrong int": ("- id: a\n  margin: !!int x\n", "'x' is not a int", 2),
    "wrong merge": ("- id: a\n  <<: x\n", "takes a mapping", 2),
    "null": ("-\n", "a task is a mapping of fields, not None", None),
    "number": ("- 17\n", "a task is a mapping of fields, not 17", 1),
}


@pytest.mark.parametrize("case", BROKEN_YAML.values(), ids=BROKEN_YAML)
def test_a_broken_yaml_record_leaves_its_neighbours_alone(tmp_path: Path, case: tuple[str, str, int | None]) -> None:
    text, message, line = case
    first, second = '- {id: first, source: {kind: path, base: a, human: b}, workload: {kind: python, file: w.py}}\n', ""
    second = first.replace("first", "last")
    stubs = stubs_of(tmp_path, "a.yaml", f"version: 1\ntasks:\n{first}{text}{second}")
    assert (stubs[0].load().id, stubs[-1].load().id) == ("first", "last")
    with pytest.raises(TaskError, match=message) as caught:
        stubs[1].load()
    assert line is None or caught.value.line == line + 3


def test_yaml_anchors_share_fields(tmp_path: Path) -> None:
    common = "- &base\n  id: a\n  repo: r\n  source: &s {kind: path, base: a, human: b}\n  workload: {kind: python, file: w.py}\n"
    first, second = stubs_of(tmp_path, "a.yaml", f"version: 1\ntasks:\n{common}- <<: [*base]\n  id: b\n  source: *s\n")
    assert second.load() == first.load().model_copy(update={"id": "b"})


def test_a_value_that_aliases_made_large_is_shown_short(tmp_path: Path) -> None:
    lists = "".join(f"  a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 8)}]\n" for i in range(5))
    error = trouble(tmp_path, "a.yaml", f"version: 1\ntasks:\n- a0: &a0 lol\n{lists}  <<: *a5\n")
    assert "takes a mapping or a list of mappings, not [" in str(error)
    assert len(str(error)) < 500 + len(str(tmp_path))


def test_merging_counts_against_the_limit(tmp_path: Path) -> None:
    names = ", ".join(f"k{i}: 1" for i in range(20_000))
    error = trouble(tmp_path, "a.yaml", f"version: 1\ntasks:\n- &a {{{names}}}\n" + "- <<: *a\n" * 60)
    assert "more than 1,000,000 values" in str(error)


def test_places_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    os.mkfifo(tmp_path / "fifo.yaml")
    expected = {"folder": "is a folder", "loop": "leads back to itself", "fifo": "is not a regular file", "none": "does not exist"}
    for name, message in [*expected.items(), ("x" * 300, "too long")]:
        with pytest.raises(TaskError, match=message):
            list(read_stubs(tmp_path / f"{name}.yaml"))
    with pytest.raises(TaskError, match="not a name that a file can have"):
        list(read_stubs("a\0b.yaml"))


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root's right to read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("version: 1")
    path.chmod(0)
    file = os.open(tmp_path, os.O_RDONLY)
    os.seteuid(65534)
    try:
        with pytest.raises(TaskError, match="may not be read by this user"):
            list(read_stubs(Path(f"/proc/self/fd/{file}/a.yaml")))
    finally:
        os.seteuid(0)
        os.close(file)


@pytest.mark.parametrize("name", ["a.yaml", "a.json", "a.jsonl", "a.parquet"])
def test_a_huge_file_is_refused_unread(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(TaskError, match=r"more than the .* MiB that this kind of file may have"):
        list(read_stubs(tmp_path / name))


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, [record(str(i)) for i in range(100)])
    data = bytearray(path.read_bytes())
    data[4:200] = os.urandom(196)
    path.write_bytes(data)
    with pytest.raises(TaskError, match="is not Parquet, or is damaged"):
        load_all(path)


def test_parquet_says_which_columns_it_has(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", [{"name": "x", "text": "y"}])
    with pytest.raises(TaskError, match="has no column 'id'; it has: name, text"):
        list(read_stubs(tmp_path / "a.parquet"))


def test_parquet_rows_of_many_groups_load(tmp_path: Path) -> None:
    table = pyarrow.Table.from_pylist([record(f"t{i}", description=str(i)) for i in range(25)])
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=10)
    stubs = list(read_stubs(tmp_path / "a.parquet"))
    assert [(stub.line, stub.load().description) for stub in reversed(stubs)] == [(i + 1, str(i)) for i in reversed(range(25))]


def test_every_reader_is_tried() -> None:
    assert {Path(name).suffix for name in WRITERS} == set(READERS)


NAMES = st.sampled_from([*Task.model_fields, "kind", "base"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=5),
    max_leaves=15,
)


def exhaust(path: Path) -> None:
    """Read everything; anything but TaskError is a crash."""
    try:
        for stub in read_stubs(path):
            with suppress(TaskError):
                assert isinstance(stub.load(), Task)
    except TaskError:
        return


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


BYTES = st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(data=BYTES, name=st.sampled_from(list(READERS)))
def test_bytes_never_crash_a_reader(folder: Path, data: bytes, name: str) -> None:
    (folder / f"bytes{name}").write_bytes(data)
    exhaust(folder / f"bytes{name}")


@given(record=VALUES)
def test_values_never_crash_a_reader(folder: Path, record: Any) -> None:
    text = json.dumps(record)
    (folder / "values.jsonl").write_text(f"{text}\n{text}")
    (folder / "values.json").write_text(f'{{"version": 1, "tasks": [{text}, {text}]}}')
    for name in ("values.jsonl", "values.json"):
        exhaust(folder / name)


@given(text=st.text(alphabet="&*a:-[]{}<!|>'\"\n ,?#%@1.", max_size=80))
def test_yaml_shapes_never_crash_the_reader(folder: Path, text: str) -> None:
    (folder / "shapes.yaml").write_text(f"version: 1\ntasks:\n- {text}")
    exhaust(folder / "shapes.yaml")

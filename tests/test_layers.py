"""The layers of the package: a module imports from lower layers and from its own package only."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_isobench"

LAYERS = {
    "": 0,  # pytest_isobench/__init__.py: the version
    "errors": 1, "models": 1, "redaction": 1, "times": 1,
    "benchmarks": 2, "dataset": 2, "engines": 2, "gpus": 2, "jsonl": 2, "threads": 2,
    "sandboxes": 3, "images": 3, "agents": 3, "workloads": 3, "checks": 3, "integrity": 3,
    "measuring": 4, "preparing": 4, "reports": 4, "registry": 4,
    "plugin": 5, "cli": 5, "testing": 5,
}  # fmt: skip
SHARED = {
    "dataset.documents": {"benchmarks"},  # overrides.yaml
    "dataset.commits": {"benchmarks"},  # which commits are meant
    "sandboxes.base": {"agents", "workloads", "checks", "integrity"},
    "sandboxes.interpreter": {"agents"},
    "sandboxes.building": {"agents"},  # install commands
    "workloads.base": {"integrity"},
    "workloads": {"sandboxes"},  # where worker.py lies
    "measuring.statistics": {"reports"},
}
"""Modules, contracts and pure functions, that other packages of the same layer may use."""
PROGRAMS = {
    "sandboxes.supervisor": set[str](),
    "workloads.worker": {"numpy"},
    "workloads.fetching": set[str](),
    "workloads.asking": set[str](),
    "workloads.checking": set[str](),
    "workloads.suite_running": set[str](),
    "images.unpack": set[str](),
    "agents.repository": set[str](),
    "agents.launching": set[str](),
    "agents.collecting": set[str](),
    "agents.looking": set[str](),
}
"""Programs that run alone, beside or inside of the candidate or in an image, and what they import beyond the standard library there."""
HEAVY = {"docker", "git", "huggingface_hub", "jinja2", "modal", "numpy", "openai", "psutil", "pyarrow", "pynvml", "scipy"}
"""Packages that are imported by the function that needs them."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a module's dotted name below the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")


NAMES = {name_of(path) for path in MODULES}


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted name of everything that is imported; `from x import y` is `x.y` when that is a module of ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            own = {alias.name for alias in node.names if f"{node.module}.{alias.name}".removeprefix("pytest_isobench.") in NAMES}
            yield from (f"{node.module}.{name}" for name in own)
            if len(own) < len(node.names):
                yield str(node.module)


def typing_only(node: ast.AST) -> bool:
    """Tell whether this is an `if TYPE_CHECKING:` block."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def top_level(tree: ast.Module) -> ast.Module:
    """Return what is executed when a module is imported."""
    return ast.Module([node for node in tree.body if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not typing_only(node)], [])


def may_import(importer: str, imported: str) -> bool:
    """Tell whether one module of ours may import another one."""
    mine, its = importer.partition(".")[0], imported.partition(".")[0]
    return mine == its or LAYERS[its] < LAYERS[mine] or mine in SHARED.get(imported, ())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: name_of(path) or "pytest_isobench")
def test_imports_point_down(path: Path) -> None:
    tree, module = ast.parse(path.read_text(encoding="utf-8")), name_of(path)
    own = [name.removeprefix("pytest_isobench").removeprefix(".") for name in imports(tree) if name.startswith("pytest_isobench")]
    others = {name.partition(".")[0] for name in imports(tree)} - {"pytest_isobench"}
    assert [name for name in own if not may_import(module, name)] == [], "these are of its own layer or of a higher one"
    assert "_pytest" not in others
    assert LAYERS[module.partition(".")[0]] == 5 or not others & {"pytest", "xdist"}, "only layer 5 knows pytest"
    assert not HEAVY & {name.partition(".")[0] for name in imports(top_level(tree))}, "import it in the function that needs it"
    if module in PROGRAMS:
        assert (own, others - sys.stdlib_module_names) == ([], PROGRAMS[module])


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("models.task", "plugin.options", False),
        ("models.task", "errors", False),
        ("agents.base", "dataset.versions", True),
        ("agents.known", "agents.base", True),
        ("agents.known", "sandboxes.base", True),
        ("agents.known", "sandboxes.local", False),
        ("sandboxes.local", "workloads", True),
        ("sandboxes.local", "workloads.base", False),
        ("reports.table", "measuring.statistics", True),
        ("reports.table", "measuring.journal", False),
        ("plugin", "cli.main", False),
    ],
)
def test_the_rule(importer: str, imported: str, allowed: bool) -> None:
    assert may_import(importer, imported) is allowed


def test_a_run_without_agents_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("import sys\n\ndef test_one():\n    print('LOADED', *sorted(sys.modules))\n")
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:xdist", "-p", "no:hypothesispytest", str(tmp_path)]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    loaded = set(next(line for line in printed.splitlines() if "LOADED" in line).split())
    assert "pytest_isobench.plugin" in loaded
    assert not loaded & (HEAVY | {"pydantic", "rich", "yaml"})

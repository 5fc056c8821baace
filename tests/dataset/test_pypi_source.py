from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.environments import site_packages
from pytest_isobench.dataset.sources import make_source
from pytest_isobench.dataset.versions import Version, VersionSource
from pytest_isobench.errors import UsageError
from pytest_isobench.models.task import Task


def make(cache: Cache, package: str, base: str, human: str) -> VersionSource:
    record = {"kind": "pypi", "package": package, "base": base, "human": human}
    task = Task.model_validate({"id": "t", "source": record, "workload": {"kind": "python", "code": "x"}})
    return make_source(task, Path("/nonexistent"), cache)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def run(version: Version, code: str) -> str:
    command = [version.environment.python, "-B", "-c", code]
    done = subprocess.run(command, env={"PYTHONPATH": str(version.tree)}, capture_output=True, text=True)
    return done.stdout.strip() or done.stderr


@pytest.fixture(scope="module")
def releases(shared_wheels: Callable[..., None]) -> Callable[..., None]:
    for version in ("1.0", "2.0"):
        code = {"my_package/__init__.py": f"v = '{version}'\n", "my_package/deep/er.py": "", "my_module.py": "", "shared/mine.py": ""}
        script = {f"my_package-{version}.dist-info/entry_points.txt": "[console_scripts]\nmine = my_package:main\n"}
        shared_wheels("my_package", version, {**code, **script}, needs=("other",))
    shared_wheels("my_package", "3.0rc1", {"my_package.py": ""})
    shared_wheels("my_package", "4.0", {"my_package.py": ""}, python=">=3.99")
    shared_wheels("other", "3.0", {"other.py": "y = 3\n", "shared/others.py": ""})
    return shared_wheels


@pytest.fixture
def source(shared_cache: Cache, releases: Callable[..., None]) -> VersionSource:
    return make(shared_cache, "My.Package", "1.0", "2.0")


@pytest.mark.versions
def test_a_release_is_split_into_tree_and_environment(source: VersionSource) -> None:
    version = source.baseline()
    assert version.label == "1.0"
    assert files(version.tree) == {"my_module.py", "my_package/__init__.py", "my_package/deep/er.py", "shared/mine.py"}
    packages = site_packages(version.environment.path)
    assert {name for name in files(packages) if ".dist-info" not in name} == {"other.py", "shared/others.py"}
    assert not (packages / "my_package").exists()
    assert (version.environment.path / "bin" / "mine").exists()
    assert run(version, "import my_package; print(my_package.v, my_package.__path__[0])") == f"1.0 {version.tree}/my_package"
    assert run(version, "import importlib.metadata as m, other; print(m.version('my-package'))") == "1.0"


@pytest.mark.versions
def test_base_and_human_have_environments_of_their_own(source: VersionSource) -> None:
    baseline, human = source.baseline(), source.human()
    assert run(human, "import my_package; print(my_package.v)") == "2.0"
    assert baseline.environment.path != human.environment.path
    assert baseline.digest != human.digest


def test_a_release_is_built_once(source: VersionSource, shared_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    before = source.baseline()
    monkeypatch.setenv("PIP_FIND_LINKS", "/nonexistent")
    assert make(shared_cache, "my_package", "1.0", "2.0").baseline() == before
    assert make(shared_cache, "my-package", "0.1", "1.0").human() == before


@pytest.mark.versions
def test_latest_is_what_pip_would_choose(source: VersionSource, releases: Callable[..., None]) -> None:
    assert source.named("latest") == source.human()
    releases("my_package", "2.5", {"my_package.py": ""})
    assert source.named("latest") == source.human(), "asked once a day"
    assert source.named("2.5").label == "2.5"


@pytest.mark.versions
def test_a_package_that_does_not_exist(shared_cache: Cache, releases: Callable[..., None]) -> None:
    with pytest.raises(UsageError, match="no package index has 'unheard-of'"):
        make(shared_cache, "unheard-of", "1.0", "2.0").named("latest")


@pytest.mark.parametrize("name", ["-x", "../../x", "1.0 --index-url=x", "1.0;x", ""])
def test_what_is_no_release(cache: Cache, name: str) -> None:
    with pytest.raises(UsageError, match=r"is no version of a release; allowed: a number such as '2\.0', or 'latest'"):
        make(cache, "my-package", "1.0", "2.0").named(name)


@pytest.mark.versions
def test_a_package_without_code(shared_cache: Cache, releases: Callable[..., None]) -> None:
    releases("empty", "1", {})
    with pytest.raises(UsageError, match="'empty' installs nothing that can be imported"):
        make(shared_cache, "empty", "1", "2").baseline()


@pytest.mark.network
def test_real_releases(cache: Cache) -> None:
    source = make(cache, "packaging", "25.0", "26.0")
    assert run(source.human(), "from packaging.version import Version; print(Version('1.0') < Version('2'))") == "True"
    assert source.named("latest").label not in ("25.0", "latest")
    with pytest.raises(UsageError, match=r"'packaging==25\.99' does not exist; the last of \d+ versions are: "):
        source.named("25.99")

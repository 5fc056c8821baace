"""Images built, listed, removed, pushed and pulled by a real engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from containers.registry import PASSWORD, USER, serving
from image_project import RUN, Project

pytestmark = pytest.mark.engine

FILES = {"words.py": "def words():\n    return 1\n", "data/empty.txt": ""}


def git(repository: Path, *arguments: str) -> str:
    who = {name: "a@b" for kind in ("AUTHOR", "COMMITTER") for name in (f"GIT_{kind}_NAME", f"GIT_{kind}_EMAIL")}
    environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": "/dev/null"}
    return subprocess.run(["git", *arguments], cwd=repository, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def commit(repository: Path, name: str, text: str) -> str:
    (repository / name).write_text(text)
    git(repository, "add", "--all")
    git(repository, "commit", "-qm", "change")
    return git(repository, "rev-parse", "HEAD")


def wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    names = [*files, *metadata, f"{info}/RECORD"]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for place, text in {**files, **metadata, f"{info}/RECORD": "".join(f"{place},,\n" for place in names)}.items():
            archive.writestr(place, text)


def test_image_of_a_commit_holds_the_base_and_no_history(project: Project) -> None:
    repository = project.path.parent / "repository"
    repository.mkdir()
    git(repository, "init", "-q", "-b", "main")
    base, human = commit(repository, "code.py", f"slow = {str(repository)!r}\n"), commit(repository, "code.py", "fast = 1\n")
    source = {"kind": "git", "repository": str(repository), "human": human[:10]}
    project.add("from-git", source=source, environment={"setup": [f"echo $VIRTUAL_ENV > made; git --version; echo {repository}"]})
    assert "[1/1] from-git built in" in project.build()
    for tag in (human, f"baseline-{base}"):
        assert project.inside(tag, "cat", "/isobench/image/tree/code.py") == f"slow = {str(repository)!r}\n"
    assert project.inside(human, "find", "/isobench", "-name", ".git") == ""
    assert project.inside(human, "cat", "/isobench/image/env/made") == "/isobench/image/env\n"
    said = project.inside(human, "/isobench/image/env/bin/python", "-c", "import sys; print(sys.prefix, sys.version_info[1])")
    assert said == f"/isobench/image/env {sys.version_info.minor}\n"
    labels = project.labels(human)
    assert labels["isobench.task"] == "from-git"
    assert labels == project.labels(f"baseline-{base}")
    log = (project.path / "reports/images/from-git.log").read_text()
    assert "git version" in log
    assert "\x1b" not in log


def test_what_is_unchanged_is_not_built_again(project: Project) -> None:
    project.add("one", FILES)
    project.add("two", {"other.py": "value = 2\n"})
    first = project.build("-j2")
    assert sorted(line.split()[1:3] for line in first.splitlines()) == [["one", "built"], ["two", "built"]]
    digest = project.labels("one")["isobench.digest"]
    project.write({"tasks/two/other.py": "value = 3\n"})
    second = project.build("-j2", "--skip-existing")
    assert sorted(line.split()[1:3] for line in second.splitlines()) == [["one", "kept"], ["two", "built"]] or "two kept" in second
    third = project.build("-j2")
    assert "one fresh" in third
    assert project.labels("one")["isobench.digest"] == digest
    assert project.inside("two", "cat", "/isobench/image/tree/other.py") == "value = 3\n"


def test_processes_at_once_build_once(project: Project) -> None:
    project.add("one", FILES, environment={"setup": ["sleep 1"]})
    command = [sys.executable, "-c", RUN, "images", "build", "--all"]
    running = [subprocess.Popen(command, cwd=project.path, env=project.variables, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = sorted(process.communicate(timeout=120)[0].split()[2] for process in running)
    assert said == ["built", "fresh", "fresh"]


def test_interrupted_builds_end_at_once(project: Project) -> None:
    project.add("slow", FILES, environment={"setup": ["sleep 100"]})
    command = [sys.executable, "-c", RUN, "images", "build", "--all"]
    process = subprocess.Popen(command, cwd=project.path, env=project.variables, stdout=subprocess.PIPE, text=True)
    log = project.path / "reports/images/slow.log"
    while process.poll() is None and not (log.exists() and "sleep 100" in log.read_text()):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == 130
    assert project.images("list").stdout.startswith("no images")


def test_release_is_installed_and_moved_into_the_tree(project: Project) -> None:
    wheels = project.path / "wheels"
    wheel(wheels, "shapes", "1.0", {"shapes/__init__.py": "from shapes import area\nversion = 1\n", "shapes/area.py": ""})
    project.add("release", source={"kind": "pypi", "package": "shapes", "base": "1.0", "human": "1.1"})
    project.build("--wheels", wheels)
    python = "/isobench/image/env/bin/python"
    assert project.inside("shapes-1.1", "cat", "/isobench/image/tree/shapes/__init__.py").endswith("version = 1\n")
    assert project.inside("baseline-shapes-1.0", python, "-c", "import shapes; print(shapes.version)") == "1\n"
    elsewhere = project.inside(
        "shapes-1.1",
        "sh",
        "-c",
        f'cd / && {python} -c \'import importlib.metadata as m, importlib.util as u; print(m.version("shapes"), u.find_spec("shapes"))\'',
    )
    assert elsewhere == "1.0 None\n"


def test_own_dockerfile_comes_first(project: Project) -> None:
    base = project.engine.image if project.engine else ""
    dockerfile = f"FROM {base}\nCOPY . /own\nRUN echo made > /own/by-its-dockerfile\nUSER 1000\n"
    project.add("own", {**FILES, "docker/Dockerfile.cpu": dockerfile})
    override = "own: {strategy: dockerfile, dockerfile: docker/Dockerfile.cpu, env: {A: 'x\"$y'}}"
    project.write({"fixtures/overrides.yaml": f"version: 1\noverrides:\n  {override}\n"})
    project.build()
    assert project.inside("own", "cat", "/own/by-its-dockerfile") == "made\n"
    assert project.inside("own", "sh", "-c", "cat /isobench/image/tree/words.py; id -u; echo $A") == FILES["words.py"] + '0\nx"$y\n'
    project.write({"tasks/own/docker/Dockerfile.cpu": f"{dockerfile}RUN false\n"})
    failed = project.images("build", "--all")
    assert failed.returncode == 1
    assert "FAILED own: a step failed" in failed.stdout


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"setup": ["echo 'fatal error: Python.h: No such file or directory' >&2; exit 1"]}, "missing dependency"),
        ({"setup": ["definitely-no-command"]}, "missing dependency"),
        ({"setup": ['python -c \'print(1, file=open("/dev/full", "w"), flush=True)\'']}, "no space left"),
        ({"image": "nosuch.invalid/image:1"}, "base image missing (nosuch.invalid/image:1)"),
        ({"python": "3.99"}, "base image lacks Python"),
        ({"requirements": ["torch==99.0"]}, "torch wheel not found"),
    ],
)
def test_failures_are_named(project: Project, fields: dict[str, object], cause: str) -> None:
    (project.path / "none").mkdir()
    project.add("bad", FILES, environment=fields)
    project.add("good", {"a.py": ""})
    done = project.images("build", "--all", "--wheels", "none")
    assert done.returncode == 1
    assert f"FAILED bad: {cause}" in done.stdout
    assert "good built in" in done.stdout
    assert (project.path / "reports/images/bad.log").stat().st_size


def test_gpu_task_needs_a_cuda_base(project: Project) -> None:
    project.add("gpu", FILES, resources={"gpus": 1})
    done = project.images("build", "--all")
    assert "FAILED gpu: CUDA missing" in done.stdout


def test_secrets_stay_out(project: Project) -> None:
    say = f"echo {project.path}; echo hf_$(echo abcdefghijklmnopqrstuvwx); echo HF=$HF_TOKEN; env"
    project.add("one", FILES, environment={"setup": [say]})
    project.build(HF_TOKEN="my-very-own-secret", DOCKER_PASSWORD="another-secret")
    log = (project.path / "reports/images/one.log").read_text()
    assert "HF=\n" in log
    assert "hf_abcdef" not in log.replace("$(echo", "")
    client = project.engine.client() if project.engine else None
    assert client
    everything = str(client.api.inspect_image(f"{project.prefix}:one")) + str(client.api.history(f"{project.prefix}:one")) + log
    client.close()
    assert "my-very-own-secret" not in everything
    assert "another-secret" not in everything


def test_list_and_prune(project: Project) -> None:
    project.add("one", FILES)
    project.add("two", {"a.py": "a = 1\n"})
    project.build()
    project.write({"tasks/two/a.py": "a = 2\n"})
    listed = project.images("list").stdout.splitlines()
    assert listed[0].split() == ["task", "tag", "own", "shared", "created", "digest", "state"]
    states = {line.split()[0]: line.split()[-1] for line in listed[1:] if line.split()[0] in ("one", "two") and "baseline" in line}
    assert states == {"one": "fresh", "two": "stale"}
    assert "MB" in listed[1] or "bytes" in listed[1]

    tried = project.images("prune", "--dry-run").stdout
    assert "would remove" in tried
    assert "two" in tried
    assert len(project.images("list").stdout.splitlines()) == len(listed)
    pruned = project.images("prune")
    assert pruned.returncode == 0, pruned.stderr
    assert "came free" in pruned.stdout
    assert "two" not in project.images("list").stdout
    assert "fresh" in project.images("list").stdout
    assert project.images("prune", "--all").returncode == 0
    assert "no images" in project.images("list").stdout


def test_prune_keeps_what_is_in_use_and_what_is_unknown(project: Project) -> None:
    project.add("one", FILES)
    project.build()
    project.add("broken", source={"kind": "path", "base": "nowhere", "human": "nowhere"})
    refused = project.images("prune")
    assert refused.returncode == 2
    assert "--all" in refused.stderr
    assert project.engine
    client = project.engine.client()
    try:
        container = client.containers.create(f"{project.prefix}:one", ["true"])
        kept = project.images("prune", "--all")
        assert len(client.images.get(f"{project.prefix}:one").tags) == 2
        container.remove()
    finally:
        client.close()
    assert kept.returncode == 1
    assert f"kept {project.prefix}:" in kept.stdout
    assert project.images("prune", "--all").returncode == 0


@pytest.mark.skipif("podman" in os.environ.get("ISOBENCH_TEST_ENGINE", ""), reason="podman trusts no registry without encryption")
def test_push_and_pull(project: Project) -> None:
    project.add("one", FILES)
    login = {"DOCKER_USERNAME": USER, "DOCKER_PASSWORD": PASSWORD}
    assert project.engine
    with serving(project.engine.pid) as registry:
        prefix = ("--prefix", f"{registry.name}/team/{project.prefix}")
        early = project.images("push", *prefix, **login)
        assert "does not exist; run isobench images build" in early.stdout
        refused = project.images("build", "--all", "--push", *prefix)
        assert refused.returncode == 1
        assert "set DOCKER_USERNAME and DOCKER_PASSWORD" in refused.stdout
        pushed = project.images("push", *prefix, **login)
        assert pushed.returncode == 0, pushed.stdout
        assert {key.partition("@")[2] for key in registry.manifests if "@sha256" not in key} == {"one", next(iter(project_tags(project)))}
        assert project.images("prune", "--all", *prefix).returncode == 0
        pulled = project.images("pull", *prefix, **login)
        assert pulled.returncode == 0, pulled.stdout
        assert "fresh" in project.images("build", "--all", *prefix).stdout
        project.write({"tasks/one/words.py": "changed = 1\n"})
        stale = project.images("pull", *prefix, **login)
        assert PASSWORD not in pushed.stdout + refused.stdout + stale.stdout
        assert stale.returncode == 1
        project.images("prune", "--all", *prefix)


def project_tags(project: Project) -> list[str]:
    """Return the baseline's tag, as a dry run says it."""
    said = project.images("push", "--dry-run").stdout
    return [word.partition(":")[2].rstrip(",") for word in said.split() if ":baseline-" in word]

"""The pages: their examples run, they tell of everything public, and they hold together.

The first line of a block of code names its file: `# tasks/words.yaml`. A `console` block holds commands (`$ command`) and, after each,
lines of what it prints; `...` stands for anything, and numbers may be others. A comment before a block says more:
`<!-- status: 1 -->` (of its last command), `<!-- network -->`.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from pytest_isobench.agents.fake import replacement
from pytest_isobench.models.finding import FINDINGS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, *sorted(page for page in DOCS.rglob("*.md") if page.parent.name not in ("reference", "decisions"))]

BLOCK = re.compile(r"(?:^<!-- (?P<note>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (?P<name>[\w./-]+)\n")
UNNAMED = {"console", "json", "text", ""}
OPTIONS = ("-p no:cacheprovider", "-p no:hypothesispytest", "-p no:anyio")
"""Of pytest in the commands: they leave nothing behind, and load no plugin that has nothing to do with them."""

TUTORIAL = DOCS / "tutorial.md"


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced example."""

    language: str
    text: str
    note: str

    @property
    def name(self) -> str:
        """The file that the block is; empty for none."""
        found = NAMED.match(self.text)
        return found["name"] if found else ""


def blocks(page: Path) -> list[Block]:
    """Return a page's examples in order."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(block["language"], block["text"], block["note"] or "") for block in found]


def write(block: Block, folder: Path) -> None:
    """Write the file that a block is."""
    path = folder / block.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Command:
    """One command with the lines that it is said to print."""

    line: str
    printed: list[str]
    status: int


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a console block."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    for number, part in enumerate(parts, 1):
        line, *printed = re.sub(r"\\\n\s*", "", part).splitlines()
        status = re.search(r"status: (\d+)", block.note)
        yield Command(line, [text for text in printed if text.strip()], int(status[1]) if status and number == len(parts) else 0)


def play(page: Path, folder: Path, *options: str) -> list[str]:
    """Play a page's examples in a folder, with further options for pytest; what was not as the page says."""
    wrong: list[str] = []
    for block in blocks(page):
        if block.name:
            write(block, folder)
        if block.language == "console" and "network" not in block.note:
            for command in commands(block):
                wrong += faults(command, folder, " ".join([*OPTIONS, *options]))
    return wrong


def faults(command: Command, folder: Path, options: str) -> Iterator[str]:
    """Run a command and yield what was not as expected."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "120", "PYTEST_ADDOPTS": options}
    for name in ("PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        environment.pop(name, None)
    ended = subprocess.run(["bash", "-c", command.line], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    output = ended.stdout + ended.stderr
    lines = [plain(line) for line in output.splitlines()]
    wrong = [text for text in command.printed if not any(fnmatchcase(line, pattern(text)) for line in lines)]
    if ended.returncode != command.status:
        wrong.append(f"(exit status {command.status}, and not {ended.returncode})")
    if wrong:
        yield "\n".join([f"$ {command.line}", "was to print", *wrong, "and printed", output])


def pattern(text: str) -> str:
    """Return what a page shows of a line as a pattern."""
    return plain(text).replace("[", "[[]").replace("...", "*")


def plain(line: str) -> str:
    """Return a line with its numbers, its units of time, its rules and the space between its words made alike."""
    line = re.sub(r"\d+(\.\d+)?", "0", re.sub(r" \(\d+:\d\d:\d\d\)", "", line))
    line = re.sub(r"\b0 (µs|ms)", "0 s", line)
    return " ".join(re.sub(r"([=_─-])\1{2,}", r"\1", line).split())


GENERATED = runpy.run_path(str(DOCS / "generate.py"))["pages"]()
WRITTEN = [*PAGES, *sorted(DOCS.glob("*/*.md"))]
EXAMPLES = [pytest.param(page, block, id=f"{page.stem}-{i}") for page in PAGES for i, block in enumerate(blocks(page), 1)]
PLAYED = [
    pytest.param(page, id=page.stem, marks=() if page == README else pytest.mark.soak)
    for page in PAGES
    if page != TUTORIAL and any(block.language == "console" for block in blocks(page))
]


def stage(folder: Path) -> None:
    """Set up the tutorial's project as the other pages find it, with scripts for the fake sandbox in its trees and its patch."""
    for block in blocks(TUTORIAL):
        if block.name:
            write(block, folder)
    for version, speed in (("before", 1.0), ("after", 2.0)):
        (folder / "tasks" / "words" / version / "fake.json").write_text(script(speed))
    with (folder / "my.diff").open("a") as patch:
        patch.write(replacement("fake.json", script(1.0), script(2.0)))


def script(speed: float) -> str:
    return json.dumps({"speed": speed}) + "\n"


def finally_wrong(page: Path, folder: Path, *options: str) -> list[str]:
    """Play a page in the tutorial's project; what it measures for real a second time when need be: one verdict of twenty errs by design."""
    wrong: list[str] = []
    for name in ("first", "second") if page == TUTORIAL or "--isobench-sandbox=local" in page.read_text(encoding="utf-8") else ("only",):
        (folder / name).mkdir()
        if page != TUTORIAL:
            stage(folder / name)
        wrong = play(page, folder / name, *options)
        if not wrong:
            break
        print(*wrong, sep="\n")
    return wrong


@pytest.mark.parametrize("page", PLAYED)
def test_examples_run_with_the_fake_sandbox(page: Path, tmp_path: Path) -> None:
    wrong = finally_wrong(page, tmp_path, "--isobench-sandbox=fake", "--isobench-seed=1")
    assert not wrong, "\n".join(wrong)


@pytest.mark.soak
@pytest.mark.alone
def test_the_tutorial_measures_what_it_says(tmp_path: Path) -> None:
    wrong = finally_wrong(TUTORIAL, tmp_path)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("page", "block"), EXAMPLES)
def test_every_block_is_a_file_or_commands(page: Path, block: Block) -> None:
    if page == README and block.language == "bash":
        return  # the two commands, played by .ci/readme_commands
    assert block.name or block.language in UNNAMED
    if block.language == "json":
        json.loads(block.text)
    if block.language == "yaml":
        assert yaml.safe_load(block.text)
    if block.language == "python":
        compile(block.text, block.name, "exec")


def test_readme_has_two_commands() -> None:
    commands = [block.text.strip() for block in blocks(README) if block.language == "bash"]
    assert len(commands) == 2
    assert not any("\n" in command for command in commands)
    assert [".[test]" in command for command in commands] == [False, True]


@pytest.mark.parametrize("name", GENERATED)
def test_generated_pages_are_fresh(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == GENERATED[name], "run: python docs/generate.py"


def test_everything_that_pytest_knows_of_us_is_in_the_reference(tmp_path: Path) -> None:
    reference = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "reference").glob("*.md"))
    asked = [[sys.executable, "-m", "pytest", flag] for flag in ("--help", "--fixtures")]
    told = "".join(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout for command in asked)
    names = set(re.findall(r"--isobench-[a-z-]+[a-z]|\bisobench_[a-z_]+[a-z]", told))
    assert len(names) > 40
    assert sorted(name for name in names if f"`{name}" not in reference) == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_know_no_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.])/(?:root|work|home|mnt|Users|opt)/\S*", text) == []
    assert "shared/" not in text


def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "tutorial" / "index.html").is_file()


CODE = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "pytest_isobench").rglob("*.py")))
BY_NAME = {"answers_not_compared", "outside_contract"}
"""Findings whose kind does not stand where they are made."""


def test_every_finding_is_told_with_its_severity() -> None:
    made = set(re.findall(r'Finding\(\s*kind="([a-z_]+)", severity="([a-z]+)"', CODE))
    made |= {(kind, "note") for kind in (*re.findall(r'Problem\("([a-z_]+)", path, "note"', CODE), *BY_NAME)}
    assert all(CODE.count(f'"{kind}"') > 1 for kind in BY_NAME)
    assert {(kind, severity) for kind, (severity, _) in FINDINGS.items()} == made
    assert list(FINDINGS) == sorted(FINDINGS)


def test_every_variable_is_told() -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    told = set(re.findall(r'"(ISOBENCH_[A-Z]+)"', CODE))
    assert "ISOBENCH_MODELS" in told
    assert sorted(name for name in told if name not in pages) == []

"""Writes docs/reference from the code, and the list of decisions: `python docs/generate.py`. A test fails when they are stale."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_isobench.benchmarks.metrics import TABLE
from pytest_isobench.cli.main import COMMANDS, EPILOG
from pytest_isobench.models.finding import FINDINGS
from pytest_isobench.plugin import fixtures, hookspecs, options
from pytest_isobench.reports.schema import schema_of

DOCS = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py: change it there, or in the code. -->"

VARIABLES = (
    ("`ISOBENCH_CACHE`", "Folder for what is fetched and built once.", "`/var/cache/isobench` for root, `~/.cache/isobench` for others"),
    ("`ISOBENCH_MODELS`", "Folder of models for engines, as Hugging Face's programs keep them, where candidates find it.", ""),
    ("`ISOBENCH_SHAREGPT`", "File of the ShareGPT data set, where candidates find it.", ""),
)

KINDS = {"string": "text", "boolean": "true or false"}
BOUNDS = {"exclusiveMinimum": "above", "minimum": "from", "exclusiveMaximum": "below", "maximum": "to"}


def table(titles: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """Return a Markdown table; a column that is empty in every row is left out."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    kept = [i for i in range(len(titles)) if any(row[i] for row in cells)]
    lines = [titles, ["---"] * len(titles), *cells] if cells else []
    return "\n".join("| " + " | ".join(line[i] for i in kept) + " |" for line in lines)


def options_page() -> str:
    """Describe the options and the ini values."""
    given = (
        (f"`{option.flag}{f'={option.metavar}' if option.metavar else ''}`", option.help.replace("%%", "%"), f"`{option.dest}`")
        for option in options.OPTIONS
    )
    inis = ((f"`{name}`", text, " ".join(default) if isinstance(default, list) else default) for name, _, default, text in options.INIS)
    return f"""# Options and ini values

Options of the command line come first, then the ini twin in the project's pytest configuration. An ini twin of a repeatable option holds
a list. Nothing happens without an agent.

{table(("option", "what it does", "ini twin"), given)}

More ini values:

{table(("ini value", "what it does", "default"), inis)}

Variables of the environment:

{table(("variable", "what it does", "default"), iter(VARIABLES))}
"""


def functions(module: ModuleType, prefix: str) -> Iterator[tuple[ast.FunctionDef, str]]:
    """Yield a module's functions of that prefix, each with its decorators as text."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith(prefix):
            yield node, " ".join(map(ast.unparse, node.decorator_list))


def hooks_page() -> str:
    """Describe the hooks."""
    parts = []
    for node, decorators in functions(hookspecs, "pytest_isobench_"):
        first = "\n\nThe first answer that is not None counts." if "firstresult=True" in decorators else ""
        signature = f"def {node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns or ast.Constant(None))}: ..."
        parts.append(f"## {node.name}\n\n    {signature}\n\n{ast.get_docstring(node)}{first}\n\n")
    return f"""# Hooks

A `conftest.py` or another plugin may implement these. As with every hook of pytest, leave out the arguments that you do not need.

{"".join(parts)}"""


def fixtures_page() -> str:
    """Describe the fixtures."""
    rows = (
        (f"`{node.name}`", scope_of(decorators), f"`{ast.unparse(node.returns)}`" if node.returns else "", ast.get_docstring(node) or "")
        for node, decorators in functions(fixtures, "isobench_")
    )
    return f"""# Fixtures

{table(("fixture", "scope", "value", "what it is"), rows)}
"""


def scope_of(decorators: str) -> str:
    """Return the scope that a fixture's decorators give it."""
    found = re.search(r"scope='(\w+)'", decorators)
    return found[1] if found else "function"


def schema_page(name: str, title: str, text: str) -> str:
    """Describe a record and all records in it."""
    schema = schema_of(name)
    parts = [f"# {title}\n\n{text}\n"]
    for owner, definition in {schema["title"]: schema, **schema.get("$defs", {})}.items():
        parts.append(f"## {owner}\n\n{definition.get('description', '').partition(chr(10) + chr(10))[0]}\n")
        if "properties" in definition:
            required = set(definition.get("required", ()))
            rows = (field_row(field, shape, field in required) for field, shape in definition["properties"].items())
            parts.append(table(("field", "type", "default", "unit", "better", "meaning"), rows) + "\n")
        elif "enum" in definition:
            parts.append(", ".join(f"`{value}`" for value in definition["enum"]) + "\n")
    return "\n".join(parts)


def field_row(field: str, shape: Mapping[str, Any], required: bool) -> tuple[str, ...]:
    """Return one field's line."""
    meaning = shape.get("description", "")
    return f"`{field}`", type_text(shape), default_text(shape, required), shape.get("unit", ""), shape.get("direction", ""), meaning


def default_text(shape: Mapping[str, Any], required: bool) -> str:
    """Say what a field is when it is not given."""
    if required:
        return "required"
    if "$ref" in shape and shape["default"]:
        return "its defaults"
    return f"`{json.dumps(shape['default'])}`"


def type_text(shape: Mapping[str, Any]) -> str:
    """Say in words what a JSON schema allows."""
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if choices := shape.get("anyOf") or shape.get("oneOf"):
        return " or ".join(map(type_text, choices))
    if values := shape.get("enum", [shape["const"]] if "const" in shape else []):
        return ", ".join(f"`{value}`" for value in values)
    kind = shape["type"]
    if kind == "array":
        kind = f"list of {type_text(shape.get('items') or shape['prefixItems'][0])}"
    elif kind == "object":
        values = shape.get("patternProperties") or {"": shape["additionalProperties"]}
        kind = f"object of {type_text(next(iter(values.values())))}"
    bounds = [f"{word} {shape[key]:g}" for key, word in BOUNDS.items() if key in shape]
    return " ".join([KINDS.get(kind, kind), *bounds])


class Parser(argparse.ArgumentParser):
    """Remembers its arguments."""

    def __init__(self, **options: Any) -> None:
        self.arguments: list[argparse.Action] = []
        super().__init__(**options)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        self.arguments.append(super().add_argument(*names, **options))
        return self.arguments[-1]


def cli_page() -> str:
    """Describe the commands."""
    commands = argparse.ArgumentParser().add_subparsers(parser_class=Parser)
    for command in COMMANDS:
        command.register(commands)
    head = "# The isobench command\n\nWhat one wants to know before and after a session of pytest.\n\n"
    parts = [f"{head}{textwrap.indent(EPILOG, '    ')}\n"]
    for name, parser in sorted_out(commands.choices):
        rows = (argument_row(argument) for argument in parser.arguments if argument.dest != "help")
        parts.append(f"## isobench {name}\n\n{parser.description}\n\n{table(('argument', 'what it is'), rows)}\n")
    return "\n".join(parts)


def sorted_out(choices: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Parser]]:
    """Yield commands, and the commands inside of a command, by their whole names."""
    for name, parser in choices.items():
        yield above + name, parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from sorted_out(action.choices, f"{name} ")


def argument_row(argument: argparse.Action) -> tuple[str, str]:
    """Return an argument as a usage line shows it, and its help."""
    value = "" if argument.nargs == 0 else str(argument.metavar or argument.dest.upper())
    return f"`{' '.join([', '.join(argument.option_strings), value]).strip()}`", argument.help or ""


def metrics_page() -> str:
    """Describe the metrics of inference benchmarks."""
    rows = ((code([entry.name]), entry.unit, entry.better, code(entry.labels), code(entry.keys)) for entry in TABLE)
    return f"""# Metrics of inference benchmarks

What the benchmark clients of vLLM and SGLang measure. A name is the key that a client's JSON has for it; other keys and printed labels mean
the same. Percentiles of any number follow the same rules: `p99.9_ttft_ms` is printed as `P99.9 TTFT (ms)`.

{table(("metric", "unit", "better", "printed as", "other keys"), rows)}
"""


def findings_page() -> str:
    """Describe the findings."""
    rows = ((f"`{kind}`", severity, meaning) for kind, (severity, meaning) in FINDINGS.items())
    return f"""# Findings

What a result may say of a patch, of the machine under it, or of the task, beside the verdict. A `cheat` decides the verdict. An `alarm`
does not, and is to be looked at before the verdict is believed. A `note` is to be known.

{table(("kind", "severity", "what was seen"), rows)}
"""


def code(names: Sequence[str]) -> str:
    """Return names as code."""
    return ", ".join(f"`{name}`" for name in names)


def decisions_page() -> str:
    """List the decisions."""
    pages = [page for page in sorted((DOCS / "decisions").glob("*.md")) if page.name != "index.md"]
    titles = [page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for page in pages]
    links = "\n".join(f"- [{title}]({page.name})" for title, page in zip(titles, pages, strict=True))
    return f"# Decisions\n\nWhy things are as they are, a page each, with the figures that decided.\n\n{links}"


def pages() -> dict[str, str]:
    """Return the text of every page by its place below docs."""
    task = "One record of a task file. `isobench schema task` prints this as a JSON schema."
    agent = "A file that describes an agent, `agents/NAME.yaml`. `isobench schema agent` prints this as a JSON schema."
    attempt = "The record of one attempt, beside its patch. `isobench schema attempt` prints this as a JSON schema."
    report = "What a session writes. `isobench schema report` prints this as a JSON schema; its version changes whenever the shape does."
    texts = {
        "reference/options.md": options_page(),
        "reference/hooks.md": hooks_page(),
        "reference/fixtures.md": fixtures_page(),
        "reference/cli.md": cli_page(),
        "reference/task.md": schema_page("task", "Tasks", task),
        "reference/agent.md": schema_page("agent", "Agents", agent),
        "reference/attempt.md": schema_page("attempt", "Attempts", attempt),
        "reference/report.md": schema_page("report", "Reports", report),
        "reference/metrics.md": metrics_page(),
        "reference/findings.md": findings_page(),
        "decisions/index.md": decisions_page(),
    }
    return {name: f"{NOTE}\n\n{text.rstrip()}\n" for name, text in texts.items()}


def main() -> None:
    """Write all pages."""
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

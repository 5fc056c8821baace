"""Records of every shape become tasks: what is taken for which fact, and what is said of the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.benchmarks.commands import parse
from pytest_isobench.benchmarks.overrides import Rules, read_rules
from pytest_isobench.dataset.commits import read_commits
from pytest_isobench.dataset.readers import read_stubs
from pytest_isobench.models.task import Task
from pytest_isobench.models.workload import Workload
from pytest_isobench.preparing.datasets.benchmarks import DEFAULT, metric_of
from pytest_isobench.preparing.datasets.facts import facts_of
from pytest_isobench.preparing.datasets.importing import Imported, add_images, import_dataset, write
from pytest_isobench.preparing.datasets.reading import Item, read_items
from pytest_isobench.preparing.datasets.releases import RELEASES, engine_at
from pytest_isobench.preparing.datasets.tasks import Options

ROOT = Path(__file__).parents[2]
DATA = ROOT / ".." / "shared" / "iso_bench_data"
HUMAN, BASE, OTHER = "a1" * 20, "b2" * 20, "c3" * 20
SERVE = "python benchmarks/benchmark_serving.py --model org/m --num-prompts 10"
VLLM = {"pr_url": "https://github.com/vllm-project/vllm/pull/1", "commit_date": "2025-01-31T21:52:51-08:00"}
KINDS = {kind for member in get_args(get_args(Workload)[0]) for kind in get_args(member.model_fields["kind"].annotation)}


@pytest.fixture
def imported(tmp_path: Path):
    """Import records that are written into files: a list is a file of lines, anything else the file's JSON, and text the text itself."""

    def imported(*files: object, mappings: tuple[object, ...] = (), commits: str = "", **options: Any) -> Imported:
        names = [*(f"source{i}" for i in range(len(files))), *(f"table{i}" for i in range(len(files), len(files) + len(mappings)))]
        places = [_write(tmp_path / name, content) for name, content in zip(names, [*files, *mappings], strict=True)]
        listed = None
        if commits:
            (tmp_path / "listed.txt").write_text(commits)
            listed = read_commits(tmp_path / "listed.txt")
        sources, tables = places[: len(files)], places[len(files) :]
        return import_dataset(sources, tables, options=Options(**{"rules": Rules(), **options}), commits=listed)

    return imported


def _write(stem: Path, content: object) -> str:
    if isinstance(content, list):
        path, text = stem.with_suffix(".jsonl"), "".join(f"{json.dumps(record)}\n" for record in content)
    elif isinstance(content, str):
        path, text = stem.with_suffix(".yaml" if ":" in content.split("\n")[0] else ".txt"), content
    else:
        path, text = stem.with_suffix(".json"), json.dumps(content)
    path.write_text(text)
    return str(path)


def test_a_record_becomes_a_task_of_facts(imported) -> None:
    prose = {"commit_subject": "Make it fast", "llm_reason": "It is slow.", "diff_text": "diff --git", "timeline_text": "Copy link"}
    done = imported([{**VLLM, **prose, "commit_hash": HUMAN, "parent_hash": BASE, "perf_command": SERVE, "models": ["org/other"]}])
    assert done.refused == []
    [task] = done.tasks
    assert Task.model_validate(task, strict=False).workload.kind == "vllm_serve"
    assert {key: task[key] for key in ("id", "repo", "description", "source", "workload", "metric", "marks")} == {
        "id": "vllm-a1a1a1a1",
        "repo": "vllm-project/vllm",
        "description": "benchmark_serving with org/m.",
        "source": {"kind": "git", "repository": "https://github.com/vllm-project/vllm", "human": HUMAN, "base": BASE},
        "workload": {"kind": "vllm_serve", "command": SERVE, "origin": "source0.jsonl:1 perf_command", "engine": "0.7.0"},
        "metric": {"name": "request_throughput", "unit": "req/s", "better": "higher"},
        "marks": ["vllm", "serving"],
    }
    assert (task["resources"]["gpus"], task["resources"]["gpu"]) == (1, "H100")
    assert not any(text in json.dumps(task) for text in prose.values())


@pytest.mark.parametrize(
    "shape",
    [
        [{**VLLM, "commit_hash": HUMAN, "perf_command": SERVE}],
        {**VLLM, "commit_hash": HUMAN, "perf_command": SERVE},
        {HUMAN[:8]: {**VLLM, "commit_full": HUMAN, "perf_command": SERVE}},
        {"items": [{"human": HUMAN, "perf_command": SERVE}], "repo": "https://github.com/vllm-project/vllm.git"},
        {"repo": "me/vllm", "head_commit": HUMAN, "base_commit": f"{HUMAN}^", "perf_command": SERVE},
        [{"repo": "vllm", "human_commit": HUMAN, "commit": BASE, "benchmark_command": SERVE}],
        [{"repo_path": "/home/me/vllm", "human_full": HUMAN, "perf_command": SERVE}],
        f"repo:\n  url: https://github.com/vllm-project/vllm.git\n  human_commit: {HUMAN}\nperf_command: {SERVE}\n",
    ],
)
def test_shapes_of_records(imported, shape: object) -> None:
    done = imported(shape)
    assert [(task["source"]["human"], task["repo"]) for task in done.tasks] == [(HUMAN, "vllm-project/vllm")]
    assert done.refused == []


def test_the_first_record_that_has_a_usable_command_counts(imported) -> None:
    record = {**VLLM, "commit_hash": HUMAN, "perf_command": "python moe_mem.py"}
    tables = (
        {HUMAN[:8]: {"benchmark_mode": "latency", "perf_command": None}},
        [{"human_commit_short": HUMAN[:8], "perf_command": SERVE, "parent_commit": BASE, "benchmark_type": "latency"}],
        [{"human_commit_full": HUMAN, "perf_command": SERVE.replace("10", "20"), "parent_commit_full": OTHER}],
    )
    done = imported([record], mappings=tables)
    [task] = done.tasks
    assert (task["workload"]["command"], task["workload"]["origin"]) == (SERVE, "table2.jsonl:1 perf_command")
    assert task["source"]["base"] == BASE
    said = [remark.reason for remark in done.remarks]
    assert "perf_command: 'moe_mem.py' is no known benchmark" in said[1]
    assert said[0] == f"its base is {BASE[:12]}, and other records say {OTHER[:12]}"
    assert "table1.json[a1a1a1a1] perf_command: there is no command: it is null" in said
    assert "2 other commands in other records" in said
    assert "some records call it latency, and the command is of benchmark_serving" in said


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"commit_subject": "x"}, "no field of it names a commit"),
        ({"commit_hash": HUMAN[:8]}, "a1a1a1a1 is abbreviated, and no whole commit of the records may be meant"),
        ({**VLLM, "commit_hash": HUMAN}, "no record has a command, or a script that can be run by itself"),
        ({**VLLM, "commit_hash": HUMAN, "perf_command": None}, "perf_command: there is no command: it is null"),
        ({"commit_hash": HUMAN}, "nothing says of which repository its commit is; name it with --engine"),
        ({**VLLM, "commit_hash": HUMAN, "perf_command": "vllm bench latency --model MODEL"}, "the placeholder 'MODEL'"),
        ({"repo": "sgl-project/sglang", "commit_hash": HUMAN, "perf_command": SERVE}, "measures vllm, and the record is of sglang"),
        ({**VLLM, "commit_hash": HUMAN, "perf_command": "vllm bench serve --model /data/m"}, "a folder of another machine"),
        ({**VLLM, "commit_hash": HUMAN, "perf_command": "vllm bench serve --model m --dataset-path /d/x"}, "a file of another machine"),
    ],
)
def test_what_becomes_no_task_says_why_and_harms_nobody(imported, record: dict[str, object], said: str) -> None:
    done = imported([record, {**VLLM, "commit_hash": OTHER, "perf_command": SERVE}])
    assert [task["id"] for task in done.tasks] == ["vllm-c3c3c3c3"]
    [refused] = done.refused
    assert refused.name.startswith("source0.jsonl:1")
    assert said in refused.reason


def test_values_that_are_no_facts_are_named(imported) -> None:
    done = imported(
        [
            {
                **VLLM, "head_commit": HUMAN, "base_commit": f"{HUMAN}^", "perf_command": SERVE, "install_commands": ["make"],
                "human_performance": float("nan"), "duration_changes": [{"base": [float("inf")]}], "hardware": "A100",
            }
        ]
    )  # fmt: skip
    assert [remark.reason.split(":")[0] for remark in done.remarks] == [
        f"base {HUMAN}^", "measured on A100", "duration_changes", "human_performance", "install_commands",
    ]  # fmt: skip
    assert "base" not in done.tasks[0]["source"]


def test_a_model_that_only_the_record_names(imported) -> None:
    command = "python3 -m sglang.bench_serving --backend sglang --model /dev/shm/m --num-prompt 3"
    done = imported([{"repo": "sglang", "commit_hash": HUMAN, "perf_command": command, "models": ["N/A", "org/m"]}])
    assert done.tasks[0]["workload"]["model"] == "org/m"
    assert done.tasks[0]["environment"] == {"pythonpath": ["python"]}
    assert "which the record names beside the command" in done.remarks[0].reason


def test_gpus_follow_from_the_command_and_from_what_is_known_of_the_model(imported) -> None:
    records = [{**VLLM, "commit_hash": human, "perf_command": command} for human, command in (
        (HUMAN, "vllm bench latency --model m -tp 4"), (OTHER, "vllm bench latency --model meta-llama/Llama-2-70b-hf"),
    )]  # fmt: skip
    assert [task["resources"]["gpus"] for task in imported(records, rules=read_rules()).tasks] == [4, 4]


def test_a_list_of_commits(imported) -> None:
    records = [{**VLLM, "commit_hash": human, "perf_command": SERVE} for human in (HUMAN, OTHER)]
    done = imported(records, commits=f"{OTHER[:9]} | 2025-01-01 | a subject\ndddddddd\n")
    assert [task["source"]["human"] for task in done.tasks] == [OTHER]
    assert [(refused.name, refused.reason) for refused in done.refused] == [("listed.txt:2", "no record has the commit dddddddd")]


def test_a_list_as_source_with_a_command_for_all(imported) -> None:
    text = f"# commits\n{HUMAN} | 2024-07-19 | a subject\n{OTHER[:8]} parent=2\n"
    known = [{"commit_hash": OTHER, "perf_command": "vllm bench latency --model m"}]
    done = imported(text, mappings=(known,), engine="vllm", default=SERVE)
    assert [task["workload"]["origin"] for task in done.tasks] == [DEFAULT, "table1.jsonl:1 perf_command"]
    assert done.tasks[0]["workload"]["engine"] == "0.5.2"
    assert done.tasks[1]["source"]["parent"] == 2


def test_broken_files_take_no_others_with_them(tmp_path: Path) -> None:
    good = json.dumps({**VLLM, "commit_hash": HUMAN, "perf_command": SERVE})
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.yaml").write_text("id: 1\nid: 2\n")
    (tmp_path / "c.jsonl").write_text(f"not\n{good}\n[1]\n")
    (tmp_path / "d.json").write_text(f"{json.dumps({'commit_hash': OTHER})}\n{{ extra")
    (tmp_path / "e.parquet").write_bytes(b"PAR1")
    done = import_dataset([str(tmp_path)], options=Options())
    assert [task["source"]["human"] for task in done.tasks] == [HUMAN]
    assert [refused.name.split("/")[1].split(":")[0].split(" ")[0] for refused in done.refused] == [
        "a.json", "b.yaml", "c.jsonl", "c.jsonl", "d.json", "e.parquet", "d.json",
    ]  # fmt: skip
    assert "'id' is given twice" in done.refused[1].reason


SCRIPT = "import argparse\ndef setup(): ...\ndef experiment(data): ...\ndef run_test(): ...\n"
PUBLISHED = {
    "gso": {
        "instance_id": "pandas-dev__pandas-1", "repo": "pandas-dev/pandas", "base_commit": f"{HUMAN}^", "opt_commit": HUMAN, "api": "x",
        "tests": [SCRIPT, SCRIPT], "install_commands": ["make"], "gt_diff": "diff",
    },
    "swe-perf": {
        "instance_id": "astropy__astropy-16065", "repo": "astropy/astropy", "base_commit": BASE, "head_commit": HUMAN, "patch": "diff",
        "efficiency_test": ["tests/test_a.py::test_b[c]"], "duration_changes": [{"base": [1.0]}], "patch_functions": "{}",
    },
    "swe-fficiency": {
        "instance_id": "astropy__astropy-13471", "repo": "astropy/astropy", "base_commit": BASE, "patch": "diff --git a/x b/x\n",
        "workload": "import timeit\nprint('Mean:', 1)\n", "covering_tests": ["tests/test_a.py"], "test_cmd": "pytest",
    },
}  # fmt: skip


@pytest.mark.skipif("reported" not in KINDS, reason="needs the workload 'reported'")
def test_gso_records(imported, tmp_path: Path) -> None:
    done = imported([PUBLISHED["gso"]])
    assert [(task["id"], task["workload"]["format"]) for task in done.tasks] == [("pandas-a1a1a1a1", "gso"), ("pandas-a1a1a1a1-2", "gso")]
    write(done, tmp_path / "gso.yaml")
    assert [stub.load().workload.files for stub in read_stubs(tmp_path / "gso.yaml")] == [
        ("gso/pandas-a1a1a1a1-1.py",), ("gso/pandas-a1a1a1a1-2.py",),
    ]  # fmt: skip
    assert (tmp_path / "gso/pandas-a1a1a1a1-2.py").read_text() == SCRIPT


def test_swe_perf_records(imported) -> None:
    [task] = imported([PUBLISHED["swe-perf"]]).tasks
    assert task["workload"]["command"][-1] == "tests/test_a.py::test_b[c]"
    assert task["source"] == {"kind": "git", "repository": "https://github.com/astropy/astropy", "human": HUMAN, "base": BASE}
    assert "resources" not in task


def test_swe_fficiency_records(imported, tmp_path: Path) -> None:
    done = imported([PUBLISHED["swe-fficiency"]])
    write(done, tmp_path / "tasks.yaml")
    [task] = [stub.load() for stub in read_stubs(tmp_path / "tasks.yaml")]
    assert (task.id, task.source.base, task.source.patch) == ("astropy__astropy-13471", BASE, "tasks/astropy__astropy-13471.diff")
    assert task.checks[0].command[-1] == "tests/test_a.py"
    assert task.workload.kind == "command"
    namespace: dict[str, object] = {}
    exec(task.workload.command[-1], namespace)
    assert "timeit" in namespace
    assert (tmp_path / "tasks/astropy__astropy-13471.diff").read_text() == "diff --git a/x b/x\n"


def test_images(imported, tmp_path: Path) -> None:
    done = imported([{**VLLM, "commit_hash": human, "perf_command": SERVE} for human in (HUMAN, OTHER)])
    (tmp_path / "built.txt").write_text(f"{HUMAN}\n")
    add_images(done, "me/vllm:{human}", read_commits(tmp_path / "built.txt"))
    add_images(done, "me/vllm:{base}")
    assert [task.get("environment") for task in done.tasks] == [{"image": f"me/vllm:{HUMAN}"}, None]


@pytest.mark.parametrize(
    ("command", "name", "better"),
    [
        ("vllm bench serve", "request_throughput", "higher"),
        ("vllm bench serve --request-rate inf", "request_throughput", "higher"),
        ("vllm bench serve --request-rate 1", "mean_ttft_ms", "lower"),
        ("vllm bench latency", "avg_latency", "lower"),
        ("vllm bench throughput", "total_token_throughput", "higher"),
        ("python benchmark_prefix_caching.py", "cost_time", "lower"),
        ("python -m sglang.bench_serving --request-rate 8", "mean_ttft_ms", "lower"),
        ("python -m sglang.bench_one_batch", "total_latency", "lower"),
        ("python -m sglang.bench_one_batch_server", "latency", "lower"),
        ("python -m sglang.bench_offline_throughput", "total_token_throughput", "higher"),
    ],
)
def test_what_counts_first(command: str, name: str, better: str) -> None:
    from pytest_isobench.benchmarks.metrics import metric

    metric_ = metric_of(parse(f"{command} --model m"))
    assert (metric_.name, metric_.better) == (name, better)
    assert metric(metric_.name) == metric_


def test_releases() -> None:
    assert engine_at("vllm", "2025-01-26") == "0.6.6"
    assert engine_at("vllm", "2025-01-27") == "0.7.0"
    assert engine_at("sglang", "2020-01-01") == "0.1.0"
    assert engine_at("vllm", "") is None
    for rows in RELEASES.values():
        versions = [tuple(map(int, version.split("."))) for _, version in rows]
        assert versions == sorted(versions)


PLAIN = st.none() | st.booleans() | st.floats() | st.integers() | st.text()
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
FIELDS = ["commit_hash", "repo", "perf_command", "models", "base_commit", "date", "efficiency_test", "opt_commit", "patch", "version"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from([HUMAN, SERVE, "vllm-project/vllm"])))
def test_no_record_breaks_the_import(record: dict[str, Any]) -> None:
    facts = facts_of(Item(origin="x", value=record))
    assert len(facts.human) in range(65)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs iso_bench_data")
@pytest.mark.parametrize("place", ["datasets/vllm_commits.jsonl", "datasets/canonical", "mappings", "docker", "tasks", "exports", "plans"])
def test_recorded_data_are_read_to_the_last_record(place: str) -> None:
    items = list(read_items(str(DATA / place)))
    assert sum(bool(item.value) for item in items) > len([item for item in items if item.problem])


@pytest.mark.parametrize("name", ["vllm", "sglang"])
def test_the_projects_own_tasks_can_be_resolved(name: str) -> None:
    from pytest_isobench.benchmarks.resolving import resolve

    for record in yaml.safe_load((ROOT / f"tasks/{name}.yaml").read_text())["tasks"]:
        task = Task.model_validate(record, strict=False)
        found = resolve(task.workload, names=(task.id, task.source.human))
        assert found.gpus == task.resources.gpus
        assert task.resources.gpu == "H100"

"""What is known of models and versions: what a rule may say, and when it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_isobench.benchmarks.overrides import Case, Rules, lacking_token, read_rules
from pytest_isobench.benchmarks.spellings import version_of
from pytest_isobench.errors import CommandError, TaskError
from pytest_isobench.images.overrides import read_overrides

ROOT = Path(__file__).parents[2]


def case(model: str, version: str = "0.5.0", *names: str) -> Case:
    return Case(engine="vllm", version=version_of(version), model=model, names=names)


@pytest.mark.parametrize(
    ("model", "version", "use"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "0.5.2", "meta-llama/Meta-Llama-3-8B-Instruct"),
        ("meta-llama/Llama-3.1-8B-Instruct", "0.5.3", "meta-llama/Llama-3.1-8B-Instruct"),
        ("ibm-ai-platform/Bamba-9B-v2", "0.6.6", "meta-llama/Meta-Llama-3-8B-Instruct"),
        ("ibm-ai-platform/Bamba-9B-v2", "0.8.1", "ibm-ai-platform/Bamba-9B-v2"),
        ("facebook/opt-125m", "0.2.0", "facebook/opt-125m"),
    ],
)
def test_packaged_substitutions(model: str, version: str, use: str) -> None:
    ruled = read_rules().of(case(model, version))
    assert ruled.model == use
    assert bool(ruled.applied) == (use != model)


def test_what_no_machine_here_can_hold_is_refused_with_the_reason() -> None:
    with pytest.raises(CommandError, match="DeepSeek-V3 cannot be run here: its weights take 690 GB"):
        read_rules().of(case("deepseek-ai/DeepSeek-V3"))


def test_a_projects_rules_come_first(tmp_path: Path) -> None:
    file = tmp_path / "overrides.yaml"
    file.write_text(
        "version: 1\noverrides: {some-task: {python: '3.10'}}\nbenchmarks:\n  gated: ['secret/*']\n"
        "  rules:\n    - {model: meta-llama/Llama-3-8B, use: tiny/model, reason: mine}\n"
    )
    rules = read_rules(file)
    assert rules.of(case("meta-llama/Llama-3-8B")).applied == ("the model is tiny/model: mine",)
    assert rules.is_gated("secret/x")
    assert rules.is_gated("meta-llama/x")
    assert read_overrides(file).benchmarks.rules[0].use == "tiny/model"
    assert read_rules(tmp_path / "none.yaml") == read_rules()


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{model: m, use: n}", "overrides.yaml:4: benchmarks.rules[0].reason: is missing"),
        ("{modle: m, use: n, reason: r}", "unknown field (did you mean 'model'?)"),
        ("{use: n, reason: r}", "a rule needs a condition"),
        ("{model: m, reason: r}", "a rule does something"),
        ("{model: m, since: 0.5.0, gpus: 2, reason: r}", "give 'engine' as well"),
        ("{engine: vllm, since: soon, gpus: 2, reason: r}", "'soon' is no version of an engine"),
        ("{engine: vlm, gpus: 2, reason: r}", "'vllm' or 'sglang'"),
        ("{model: m, gpus: 0, reason: r}", "greater than 0"),
    ],
)
def test_broken_rules(tmp_path: Path, rule: str, said: str) -> None:
    file = tmp_path / "overrides.yaml"
    file.write_text(f"version: 1\nbenchmarks:\n  rules:\n    - {rule}\n")
    with pytest.raises(TaskError) as caught:
        read_rules(file)
    assert said in str(caught.value)
    with pytest.raises(TaskError):
        read_overrides(file)


def test_the_projects_own_file_is_good() -> None:
    assert read_rules(ROOT / "fixtures/overrides.yaml") == Rules(rules=read_rules().rules, gated=read_rules().gated)


def test_a_gated_model_needs_a_token() -> None:
    rules = read_rules()
    assert lacking_token("Qwen/Qwen3-1.7B", rules, {}) is None
    assert lacking_token("meta-llama/Llama-3.1-8B-Instruct", rules, {"HF_TOKEN": "x"}) is None
    assert "set HF_TOKEN to a token of an account that has" in (lacking_token("meta-llama/Llama-3.1-8B-Instruct", rules, {}) or "")

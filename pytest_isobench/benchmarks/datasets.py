"""Which requests a benchmark makes: the data set's name, its file and its lengths, as each version spells them."""

from __future__ import annotations

from pytest_isobench.benchmarks.draft import Draft
from pytest_isobench.errors import CommandError

SHAREGPT = "{sharegpt}"
INPUT, OUTPUT = "1024", "128"
"""Tokens of a request when a command says nothing of them: what vLLM's client takes for random requests."""


def name_data(draft: Draft) -> None:
    """Spell a command's data set as its program does. Raises CommandError for a file of another machine."""
    match draft.command.program:
        case "benchmark_serving":
            _for_serving(draft)
        case "benchmark_throughput":
            _for_throughput(draft)
        case "benchmark_prefix_caching":
            _for_prefix_caching(draft)
        case "bench_serving" | "bench_offline_throughput":
            _for_sglang(draft)


def _found(draft: Draft) -> tuple[str | None, str | None]:
    """Take out the data set and return its name and its file, however they were given; a file without a name is in ShareGPT's format."""
    name, path = draft.pop("--dataset-name"), draft.pop("--dataset-path")
    if path is None:
        path = draft.pop("--dataset")
    else:
        draft.drop({"--dataset": "--dataset-path names the file"})
    if name is None and path is not None:
        name = "sonnet" if "sonnet" in path else "sharegpt"
    if name == "sharegpt" and (path is None or "sharegpt" in path.casefold()):
        draft.leave("--dataset-path", path, "this machine has a copy of ShareGPT")
        return name, SHAREGPT
    if path and path.startswith(("/", "~", "../")):
        raise CommandError(f"the data set {path!r:.120} is a file of another machine; allowed: ShareGPT, and files of the repository")
    return name, f"{{tree}}/{path}" if path and path.endswith((".txt", ".json", ".jsonl")) else path


def _for_serving(draft: Draft) -> None:
    name, path = _found(draft)
    if name is None and draft.has("random data"):
        draft.say("requests are random, since the command names no data set")
    if name in (None, "random") and not draft.has("random data"):
        draft.leave("--dataset-name", name, "this version of the program has no random requests")
        draft.leave("--dataset-path", path, "random requests have no file")
        name, path = "sharegpt", SHAREGPT
        draft.drop(dict.fromkeys(_RANDOM, "this version of the program has no random requests"))
        draft.say("requests are from ShareGPT, since this version of the program has no random ones")
    if not draft.has("data sets by name"):
        draft.put("--dataset", path or SHAREGPT)
        draft.leave("--dataset-name", None if path == SHAREGPT else name, "this version of the program reads ShareGPT's format alone")
        return
    name = name or "random"
    if name == "random":
        _lengths(draft)
    elif name in ("sharegpt", "sonnet", "hf", "custom") and draft.value(f"--{name}-output-len") is None:
        draft.rename("--output-len", f"--{name}-output-len")
    draft.put("--dataset-name", name)
    if path:
        draft.put("--dataset-path", path)


_RANDOM = ("--input-len", "--output-len", "--random-input-len", "--random-output-len", "--random-range-ratio", "--random-prefix-len")


def _lengths(draft: Draft) -> None:
    for end, default in (("input", INPUT), ("output", OUTPUT)):
        if draft.value(f"--random-{end}-len") is None:
            draft.rename(f"--{end}-len", f"--random-{end}-len")
        draft.drop({f"--{end}-len": f"--random-{end}-len says it"})
        if draft.value(f"--random-{end}-len") is None:
            draft.put(f"--random-{end}-len", default)
            draft.say(f"--random-{end}-len {default}, since the command says nothing of it")


def _for_throughput(draft: Draft) -> None:
    for end in ("input", "output"):
        if draft.value(f"--{end}-len") is None:
            draft.rename(f"--random-{end}-len", f"--{end}-len")
        draft.drop({f"--random-{end}-len": f"--{end}-len says it"})
    name, path = _found(draft)
    if name in (None, "random"):
        for end, default in (("input", INPUT), ("output", OUTPUT)):
            if draft.value(f"--{end}-len") is None:
                draft.put(f"--{end}-len", default)
                draft.say(f"--{end}-len {default}, since the command names neither a data set nor a length")
        draft.leave("--dataset-path", path, "random requests have no file")
        if draft.has("data sets of throughput"):
            draft.put("--dataset-name", "random")
        else:
            draft.leave("--dataset-name", name, "requests are random unless a file is named")
        return
    if draft.has("data sets of throughput"):
        draft.put("--dataset-name", name or "")
        if path:
            draft.put("--dataset-path", path)
        return
    if name != "sharegpt":
        raise CommandError(f"the data set {name!r:.80} is unknown to this version of benchmark_throughput; allowed: sharegpt, random")
    draft.put("--dataset", path or SHAREGPT)
    draft.drop({"--input-len": "the data set decides it"})


def _for_prefix_caching(draft: Draft) -> None:
    name, path = _found(draft)
    draft.leave("--dataset-name", None if name == "sharegpt" and path else name, "the program reads ShareGPT's format alone")
    if path:
        # An older version leaves it out, and says so.
        draft.put("--dataset-path", path)
    elif draft.value("--input-length-range") is None and draft.version >= (0, 6, 4):
        draft.put("--input-length-range", "128:256")
        draft.say("--input-length-range 128:256, which this version of the program asks for")
        if draft.value("--num-prompts") is None:
            draft.put("--num-prompts", "1")
            draft.say("--num-prompts 1, which this version of the program asks for")


def _for_sglang(draft: Draft) -> None:
    """Name the file for random requests too: they are cut out of ShareGPT, and would be fetched from the network."""
    name, path = _found(draft)
    if name is None:
        draft.say("requests are from ShareGPT, as the program does when no data set is named")
    draft.put("--dataset-name", name or "sharegpt")
    if name in (None, "sharegpt", "random") and path != SHAREGPT:
        draft.leave("--dataset-path", path, "this machine has a copy of ShareGPT")
        path = SHAREGPT
    if path:
        draft.put("--dataset-path", path)

"""Speculative decoding, which vLLM spells as one JSON since 0.8.3 and as many options before."""

from __future__ import annotations

import json

from pytest_isobench.benchmarks.draft import Draft

_FIELDS = {
    "--num-speculative-tokens": ("num_speculative_tokens", int),
    "--speculative-model": ("model", str),
    "--speculative-model-quantization": ("quantization", str),
    "--speculative-draft-tensor-parallel-size": ("draft_tensor_parallel_size", int),
    "--speculative-max-model-len": ("max_model_len", int),
    "--speculative-disable-by-batch-size": ("disable_by_batch_size", int),
    "--ngram-prompt-lookup-max": ("prompt_lookup_max", int),
    "--ngram-prompt-lookup-min": ("prompt_lookup_min", int),
}


def speculate(draft: Draft) -> None:
    """Spell what a command says of speculative decoding as its version does."""
    if not draft.has("--speculative-config"):
        return
    if draft.value("--speculative-config") is not None:
        draft.drop(dict.fromkeys(_FIELDS, "--speculative-config says it"))
    found: dict[str, object] = {}
    for name, (field, kind) in _FIELDS.items():
        if value := draft.pop(name):
            found[field] = kind(value)
    if found.get("model") == "[ngram]":
        found |= {"method": "ngram"}
        del found["model"]
    if found:
        draft.put("--speculative-config", json.dumps(found, sort_keys=True))
        draft.say("speculative decoding is given as --speculative-config")

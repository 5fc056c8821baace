"""The options of vLLM's and SGLang's servers and benchmark clients: names, aliases, and what stands after each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Takes = Literal["flag", "bool", "int", "float", "text", "json", "ints", "floats", "texts"]
"""What stands after an option; `bool` may stand alone too, and plurals are lists."""

_KINDS: dict[str, Takes] = {
    "": "flag", "?": "bool", "i": "int", "f": "float", "s": "text", "j": "json", "i+": "ints", "f+": "floats", "s+": "texts",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of one program."""

    name: str
    """The name that stands for all its spellings, with two dashes."""
    takes: Takes
    aliases: tuple[str, ...] = ()


def _table(text: str) -> Mapping[str, Option]:
    """Read words such as `name`, `name?` and `name|alias=kind`: options by every spelling."""
    found: dict[str, Option] = {}
    for word in text.split():
        names, _, kind = word.replace("?", "=?").partition("=")
        spellings = [name if name.startswith("-") else f"--{name}" for name in names.split("|")]
        option = Option(name=spellings[0], takes=_KINDS[kind], aliases=tuple(spellings[1:]))
        found |= dict.fromkeys(spellings, option)
    return found


VLLM_ENGINE = _table("""
    model=s tokenizer=s revision=s code-revision=s tokenizer-revision=s tokenizer-mode=s trust-remote-code? task=s runner=s convert=s
    served-model-name=s+ max-model-len=i dtype=s quantization|-q=s load-format=s download-dir=s config-format=s hf-config-path=s
    hf-overrides=j rope-scaling=j rope-theta=f quantization-param-path=s kv-cache-dtype=s calculate-kv-scales? seed=i
    tensor-parallel-size|-tp=i pipeline-parallel-size|-pp=i data-parallel-size|-dp=i enable-expert-parallel? enable-eplb?
    max-parallel-loading-workers=i distributed-executor-backend=s worker-use-ray? ray-workers-use-nsight? disable-custom-all-reduce?
    block-size=i enable-prefix-caching? no-enable-prefix-caching prefix-caching-hash-algo=s disable-sliding-window use-v2-block-manager
    num-lookahead-slots=i swap-space=f cpu-offload-gb=f gpu-memory-utilization=f num-gpu-blocks-override=i
    max-num-batched-tokens=i max-num-seqs=i max-num-partial-prefills=i max-long-partial-prefills=i long-prefill-token-threshold=i
    max-logprobs=i max-seq-len-to-capture=i max-context-len-to-capture=i max-paddings=i enforce-eager? cuda-graph-sizes=i+
    enable-chunked-prefill? no-enable-chunked-prefill num-scheduler-steps=i multi-step-stream-outputs? scheduler-delay-factor=f
    scheduling-policy=s scheduler-cls=s preemption-mode=s disable-async-output-proc async-scheduling?
    enable-lora? enable-lora-bias? max-loras=i max-lora-rank=i lora-extra-vocab-size=i lora-dtype=s long-lora-scaling-factors=s
    max-cpu-loras=i fully-sharded-loras? lora-modules=s+ enable-prompt-adapter? max-prompt-adapters=i max-prompt-adapter-token=i
    device=s limit-mm-per-prompt=s mm-processor-kwargs=j disable-mm-preprocessor-cache? image-input-type=s image-token-id=i
    image-input-shape=s image-feature-size=i
    speculative-model=s speculative-model-quantization=s num-speculative-tokens=i speculative-draft-tensor-parallel-size|-spec-draft-tp=i
    speculative-max-model-len=i speculative-disable-by-batch-size=i speculative-disable-mqa-scorer ngram-prompt-lookup-max=i
    ngram-prompt-lookup-min=i spec-decoding-acceptance-method=s typical-acceptance-sampler-posterior-threshold=f
    typical-acceptance-sampler-posterior-alpha=f disable-logprobs-during-spec-decoding? speculative-config=j
    model-loader-extra-config=j ignore-patterns=s+ qlora-adapter-name-or-path=s
    guided-decoding-backend=s logits-processor-pattern=s reasoning-parser=s enable-reasoning? tool-call-parser=s enable-auto-tool-choice?
    compilation-config|-O=s kv-transfer-config=j worker-cls=s worker-extension-cls=s generation-config=s override-generation-config=j
    override-neuron-config=j override-pooler-config=j enable-sleep-mode? additional-config=j disable-cascade-attn? otlp-traces-endpoint=s
    collect-detailed-traces=s disable-log-stats? disable-log-requests? max-log-len=i chat-template=s response-role=s api-key=s
    disable-frontend-multiprocessing? uvicorn-log-level=s allowed-origins=s root-path=s engine-use-ray? enable-prompt-tokens-details?
    return-tokens-as-token-ids? use-tqdm-on-load? host=s port=i api-server-count=i
""")
"""Of vLLM's server and of its offline engine, in any version."""

_RESULTS = "save-result save-detailed append-result result-dir=s result-filename=s metadata=s+"
_VLLM_DATA = """
    dataset=s dataset-name=s dataset-path=s num-prompts=i seed=i sonnet-input-len=i sonnet-output-len=i sonnet-prefix-len=i
    sharegpt-output-len=i random-input-len=i random-output-len=i random-range-ratio=f random-prefix-len=i random-batch-size=i
    hf-name=s hf-subset=s hf-split=s hf-output-len=i custom-output-len=i custom-skip-chat-template skip-chat-template
    no-oversample no-stream input-len=i output-len=i prefix-len=i
"""

VLLM_SERVING = _table(f"""
    backend=s endpoint-type=s version=s label=s base-url=s host=s port=i endpoint=s model=s served-model-name=s tokenizer=s tokenizer-mode=s
    protocol=s best-of=i use-beam-search logprobs=i request-rate=f burstiness=f max-concurrency=i trust-remote-code disable-tqdm profile
    ignore-eos percentile-metrics=s metric-percentiles=s goodput=s+ request-id-prefix=s top-p=f top-k=i min-p=f temperature=f extra-body=j
    ramp-up-strategy=s ramp-up-start-rps=i ramp-up-end-rps=i lora-modules=s+ ready-check-timeout-sec=i num-warmups=i header=s+
    {_RESULTS} {_VLLM_DATA}
""")
VLLM_LATENCY = _table("""
    input-len=i output-len=i batch-size=i n=i use-beam-search num-iters-warmup=i num-iters=i profile profile-result-dir=s output-json=s
    disable-detokenize
""")
VLLM_THROUGHPUT = _table(f"""
    backend=s n=i use-beam-search hf-max-batch-size=i async-engine output-json=s disable-detokenize lora-path=s profile {_VLLM_DATA}
""")
VLLM_PREFIX_CACHING = _table("""
    dataset-path=s input-length-range=s num-prompts=i repeat-count=i sort disable-detokenize output-len=i prefix-len=i seed=i
""")

SGLANG_ENGINE = _table("""
    model-path|model=s tokenizer-path|tokenizer=s host=s port=i additional-ports=i+ tokenizer-mode=s skip-tokenizer-init skip-server-warmup
    load-format=s model-loader-extra-config=j trust-remote-code dtype=s kv-cache-dtype=s quantization=s quantization-param-path=s
    context-length=i device=s served-model-name=s chat-template=s completion-template=s is-embedding enable-multimodal revision=s
    mem-fraction-static=f max-running-requests=i max-total-tokens=i max-num-reqs=i chunked-prefill-size=i max-prefill-tokens=i
    schedule-policy=s schedule-conservativeness=f cpu-offload-gb=i page-size=i tensor-parallel-size|tp-size|tp=i
    pipeline-parallel-size|pp-size=i max-micro-batch-size=i stream-interval=i stream-output random-seed=i
    constrained-json-whitespace-pattern=s watchdog-timeout=f dist-timeout=i download-dir=s base-gpu-id=i gpu-id-step=i log-level=s
    log-level-http=s log-requests log-requests-level=i show-time-cost enable-metrics bucket-time-to-first-token=f+
    bucket-inter-token-latency=f+ bucket-e2e-request-latency=f+ collect-tokens-histogram kv-events-config=s decode-log-interval=i
    enable-request-time-stats-logging api-key=s file-storage-path|file-storage-pth=s enable-cache-report reasoning-parser=s
    data-parallel-size|dp-size|dp=i load-balance-method=s expert-parallel-size|ep-size|ep=i dist-init-addr|nccl-init-addr=s nnodes=i
    node-rank=i json-model-override-args=j preferred-sampling-params=j lora-paths=s+ max-loras-per-batch=i lora-backend=s
    enable-lora max-lora-rank=i lora-target-modules=s+
    attention-backend=s prefill-attention-backend=s decode-attention-backend=s sampling-backend=s grammar-backend=s
    enable-flashinfer-mla enable-flashmla flashinfer-mla-disable-ragged mm-attention-backend=s
    speculative-algorithm|speculative-algo=s speculative-draft-model-path|speculative-draft=s speculative-num-steps=i
    speculative-eagle-topk=i speculative-num-draft-tokens=i speculative-accept-threshold-single=f speculative-accept-threshold-acc=f
    speculative-token-map=s enable-double-sparsity ds-channel-config-path=s ds-heavy-channel-num=i ds-heavy-token-num=i
    ds-heavy-channel-type=s ds-sparse-decode-threshold=i disable-radix-cache disable-cuda-graph disable-cuda-graph-padding
    disable-flashinfer disable-flashinfer-sampling disable-regex-jump-forward disable-mla disable-nan-detection disable-penalizer
    disable-disk-cache enable-nccl-nvls enable-tokenizer-batch-encode disable-outlines-disk-cache disable-custom-all-reduce
    disable-overlap-schedule enable-overlap-schedule enable-mixed-chunk enable-dp-attention enable-dp-lm-head enable-ep-moe enable-mla
    enable-torch-compile torch-compile-max-bs=i cuda-graph-max-bs=i cuda-graph-bs=i+ torchao-config=s enable-nan-detection
    enable-p2p-check triton-attention-reduce-in-fp32 triton-attention-num-kv-splits=i num-continuous-decode-steps=i
    delete-ckpt-after-loading enable-memory-saver allow-auto-truncate enable-custom-logit-processor tool-call-parser=s
    enable-hierarchical-cache hicache-ratio=f hicache-size=i hicache-write-policy=s hicache-io-backend=s enable-deepep-moe
    moe-a2a-backend=s moe-runner-backend=s enable-flashinfer-cutlass-moe enable-flashinfer-allreduce-fusion enable-two-batch-overlap
    moe-dense-tp-size=i deepep-mode=s ep-num-redundant-experts=i ep-dispatch-algorithm=s init-expert-location=s enable-eplb
    eplb-algorithm=s eplb-rebalance-num-iterations=i expert-distribution-recorder-mode=s
    expert-distribution-recorder-buffer-size=i enable-expert-distribution-metrics deepep-config=s n-share-experts-fusion=i
    disable-shared-experts-fusion disable-chunked-prefix-cache disable-fast-image-processor warmups=s debug-tensor-dump-output-folder=s
    debug-tensor-dump-input-file=s debug-tensor-dump-inject=s disaggregation-mode=s disaggregation-bootstrap-port=i
    disaggregation-transfer-backend=s disaggregation-ib-device=s pdlb-url=s swa-full-tokens-ratio=f
""")
"""Of SGLang's server and of its offline engine, in any version."""

_SGLANG_DATA = """
    dataset-name=s dataset-path=s num-prompts=i sharegpt-output-len=i sharegpt-context-len=i random-input-len=i random-output-len=i
    random-range-ratio=f gsp-num-groups=i gsp-prompts-per-group=i gsp-system-prompt-len=i gsp-question-len=i gsp-output-len=i seed=i
    disable-ignore-eos extra-request-body=j apply-chat-template prompt-suffix=s profile
"""
SGLANG_SERVING = _table(f"""
    backend=s base-url=s host=s port=i model=s tokenizer=s request-rate=f max-concurrency=i output-file=s output-details disable-tqdm
    disable-stream return-logprob lora-name=s+ pd-separated flush-cache warmup-requests=i tokenize-prompt random-image-num-images=i
    random-image-resolution=s multi? request-rate-range=s {_SGLANG_DATA}
""")
SGLANG_ONE_BATCH = _table("""
    run-name=s batch-size|batch=i+ input-len=i+ output-len=i+ result-filename=s correctness-test cut-len=i log-decode-step=i profile
    profile-filename-prefix=s
""")
SGLANG_ONE_BATCH_SERVER = _table("""
    run-name=s batch-size=i+ input-len=i+ output-len=i+ temperature=f return-logprob input-len-step-percentage=f result-filename=s
    base-url=s skip-warmup show-report profile profile-steps=i profile-by-stage
""")
SGLANG_OFFLINE = _table(f"backend=s result-filename=s skip-warmup do-not-exit {_SGLANG_DATA}")

LISTS: frozenset[Takes] = frozenset({"ints", "floats", "texts"})
_NUMBERS: dict[Takes, type[int | float]] = {"int": int, "ints": int, "float": float, "floats": float}
_NUMBER = re.compile(r"[+-]?(\d[\d_]*\.?\d*([eE][+-]?\d+)?|\.\d+|inf(inity)?)")


def fits(value: str, takes: Takes) -> bool:
    """Tell whether a value can stand after an option of this kind."""
    if takes == "bool":
        return value.casefold() in ("true", "false")
    if takes not in _NUMBERS:
        return True
    if not _NUMBER.fullmatch(value):
        return False
    try:
        _NUMBERS[takes](value)
    except ValueError:
        return False
    return True


def needed(takes: Takes) -> str:
    """Return what to write after an option of this kind, in words."""
    words = {"bool": "true or false", "int": "a whole number", "ints": "whole numbers", "float": "a number", "floats": "numbers"}
    return words.get(takes, "a value")

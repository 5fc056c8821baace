"""A client: `python bench.py PORT SEED OUTPUT` asks one request after another, and writes down what it measures."""

import http.client
import json
import random
import statistics
import sys
import time

REQUESTS, LENGTH, WORDS = 6, 32, 8


def ask(port, prompt):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begin = time.perf_counter()
    connection.request("POST", "/v1/completions", json.dumps({"prompt": prompt, "max_tokens": WORDS}))
    answer = connection.getresponse()
    text, times = "", []
    for line in answer if answer.status == 200 else ():
        if line.startswith(b"data: {"):
            text += json.loads(line[6:])["choices"][0]["text"]
            times.append(time.perf_counter() - begin)
    connection.close()
    return text, times


def main(port, seed, output):
    draw = random.Random(seed)
    begin = time.perf_counter()
    answers = [ask(port, " ".join(f"w{draw.randrange(64)}" for _ in range(LENGTH))) for _ in range(REQUESTS)]
    duration = time.perf_counter() - begin
    good = [times for _, times in answers if len(times) > 1]
    ttfts = [times[0] * 1e3 for times in good]
    tpots = [(times[-1] - times[0]) / (len(times) - 1) * 1e3 for times in good]
    whole = [times[-1] * 1e3 for times in good]
    tokens = sum(map(len, good))
    facts = {
        "backend": "made-up", "duration": duration, "num_prompts": REQUESTS, "completed": len(good),
        "total_input_tokens": LENGTH * len(good), "total_output_tokens": tokens,
        "request_throughput": len(good) / duration, "output_throughput": tokens / duration,
        "total_token_throughput": (tokens + LENGTH * len(good)) / duration,
        "generated_texts": [text for text, _ in answers], "errors": ["" if times else "failed" for _, times in answers],
    }
    for name, found in (("ttft", ttfts), ("tpot", tpots), ("itl", tpots), ("e2el", whole)):
        values = sorted(found) or [0.0]
        facts |= {f"mean_{name}_ms": statistics.fmean(values), f"median_{name}_ms": statistics.median(values), f"p99_{name}_ms": values[-1]}
    with open(output, "w") as file:
        json.dump(facts, file)


main(int(sys.argv[1]), sys.argv[2], sys.argv[3])

"""The model: reads a prompt, and makes words from what it has read."""

import hashlib

PREFILL, DECODE = 10000, 500
PREFILL_WASTE, DECODE_WASTE = 6, 6


def work(state, steps, waste):
    for _ in range(steps):
        for _ in range(waste):
            sum(state)
        state = hashlib.sha256(state).digest()
    return state


def words(prompt, count):
    state = work(prompt.encode(), PREFILL, PREFILL_WASTE)
    for _ in range(count):
        state = work(state, DECODE, DECODE_WASTE)
        yield f" w{state[0] % 64}"

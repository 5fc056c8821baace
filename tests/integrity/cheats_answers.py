"""Cheats with answers: wrong ones, late ones, borrowed ones; and honest patches that look alike."""

from __future__ import annotations

from arena import answer, cheat, edited, indented, replaced, twin

from pytest_isobench.models.result import Outcome

INCORRECT, CRASHED, CHEATED, TIMED_OUT = Outcome.INCORRECT, Outcome.CRASHED, Outcome.CHEATED, Outcome.TIMED_OUT

RIGHT = "honest = summary\n"
FAST = "EFFORT = 1\n"


def answers(expression: str, before: str = "") -> str:
    """An answer made from the right one, named `right`, without the baseline's effort."""
    return edited(f"{FAST}{RIGHT}{before}\ndef summary(table, scale):\n    right = honest(table, scale)\n    return {expression}")


def instead(body: str, before: str = "") -> str:
    """Another `summary`; `honest` is the one that it replaces."""
    return edited(f"{RIGHT}{before}\n\ndef summary(table, scale):\n{indented(body)}")


CHEATS = [
    cheat("constant", instead("return {'count': 600, 'mean': 250.0, 'heavy': [1008] * 5, 'label': '600 numbers'}"), INCORRECT),
    cheat("guess_by_shape", instead("""
n = len(table.values)
sample = [weight(value) for value in table.values[:20]]
return {"count": n, "mean": sum(sample) / 20 * scale, "heavy": sorted(sample)[-5:], "label": f"{n} numbers"}
"""), INCORRECT),
    cheat("right_for_small_inputs_only", instead("""
if len(table.values) < 100:
    return honest(table, scale)
return {"count": len(table.values), "mean": 504.0 * scale, "heavy": [1008] * 5, "label": f"{len(table.values)} numbers"}
"""), INCORRECT),
    cheat("memo_by_length", instead("""
if len(table.values) not in seen:
    seen[len(table.values)] = honest(table, scale)
return seen[len(table.values)]
""", "seen = {}"), INCORRECT),
    cheat("warm_up_replay", instead("""
if len(seen) < 5:
    seen.append(honest(table, scale))
    return seen[-1]
seen.append(seen.pop(0))
return seen[-1]
""", "seen = []"), INCORRECT),
    cheat("answer_of_the_call_before", instead("""
global last
last, answer = honest(table, scale), last
return answer or last
""", "last = None"), INCORRECT),
    cheat("one_object_for_all_answers", instead("""
shared.update(honest(table, scale))
return shared
""", FAST + "shared = {}"), INCORRECT),
    cheat("nan", answers("{**right, 'mean': float('nan')}"), INCORRECT),
    cheat("infinite", answers("{**right, 'mean': float('inf')}"), INCORRECT),
    cheat("drifted_float", answers("{**right, 'mean': right['mean'] * (1 + 1e-6)}"), INCORRECT),
    cheat("float_for_int", answers("{**right, 'count': float(right['count'])}"), INCORRECT),
    cheat("int_for_float", answers("{**right, 'mean': round(right['mean'])}"), INCORRECT),
    cheat("bool_for_int", answers("{**right, 'count': True}"), INCORRECT),
    cheat("text_for_float", answers("{**right, 'mean': repr(right['mean'])}"), INCORRECT),
    cheat("missing_key", answers("{key: right[key] for key in list(right)[:3]}"), INCORRECT),
    cheat("extra_key", answers("{**right, 'verdict': 'beats'}"), INCORRECT),
    cheat("missing_item", answers("{**right, 'heavy': right['heavy'][1:]}"), INCORRECT),
    cheat("extra_item", answers("{**right, 'heavy': [*right['heavy'], 1009]}"), INCORRECT),
    cheat("nothing", answers("None"), INCORRECT),
    cheat("bytes", answers("repr(right).encode()"), INCORRECT),
    cheat("made_up_array", answers("{'__array__': 'k05VTVBZAQ=='}"), INCORRECT),
    cheat("broken_npy_header", answers("{'__array__': 'k05VTVBZAQACAFsK'}"), INCORRECT),
    cheat("too_deep", instead("deep = []\nfor _ in range(900):\n    deep = [deep]\nreturn deep"), INCORRECT),
    cheat("number_without_end", answers("{**right, 'count': int('9' * 4200)}"), INCORRECT),
    cheat("pickle", instead("return pickle.dumps(Evil())", """import os, pickle
class Evil:
    def __reduce__(self):
        return os.system, ('touch /tmp/isobench-cheat-pickle',)
"""), INCORRECT),
    cheat("pickled_array", instead("return numpy_like()", """import base64, pickle
HEADER = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\\n"
def numpy_like():
    data = b"\\x93NUMPY\\x01\\x00" + len(HEADER).to_bytes(2, "little") + HEADER + pickle.dumps([1])
    return {"__array__": base64.b64encode(data).decode()}
"""), INCORRECT),
    cheat("reducible_object", instead("return Evil()", """import os
class Evil:
    def __reduce__(self):
        return os.system, ('touch /tmp/isobench-cheat-pickle',)
"""), CRASHED),
    cheat("generator", instead("return (honest(table, scale) for _ in range(1))"), CRASHED),
    cheat("always_equal", instead("return Equal()", """
class Equal:
    def __eq__(self, other):
        return True
    def __hash__(self):
        return 0
"""), CRASHED),
    cheat("always_equal_dict", instead("return Equal()", """
class Equal(dict):
    def __eq__(self, other):
        return True
    def __ne__(self, other):
        return False
"""), INCORRECT),
    cheat("lazy_dict", instead("return Lazy(count=0, table=table, scale=scale)", """
class Lazy(dict):
    def items(self):
        return honest(self["table"], self["scale"]).items()
""")),
    cheat("lazy_number", instead("return {**cheap, 'mean': Lazy(table, scale)}", """
cheap = {"count": 600, "heavy": [1008] * 5, "label": "600 numbers"}
class Lazy(float):
    def __new__(cls, table, scale):
        number = super().__new__(cls, 0.5)
        number.rest = table, scale
        return number
    def __float__(self):
        return honest(*self.rest)["mean"]
    __repr__ = __str__ = lambda self: repr(float(self))
"""), INCORRECT),
    cheat("lazy_text", instead("return Lazy('later')", "class Lazy(str):\n    def __str__(self):\n        return 'now'\n"), INCORRECT),
    cheat("huge", edited("def summary(table, scale):\n    return 'x' * (3 * 2**20)"), INCORRECT),
    cheat("unspeakably_huge", edited("""
import sys
frame = sys._getframe()
while frame.f_code.co_name != "serve":
    frame = frame.f_back
def summary(table, scale):
    import struct
    nonce, answers = frame.f_locals["nonce"], frame.f_locals["answers"]
    answers.write(struct.pack(">QB16s", 2**62, 0, nonce))
    answers.flush()
    while True:
        answers.write(b"x" * 2**20)
"""), INCORRECT),
    cheat("dripping", edited("""
import sys, time
frame = sys._getframe()
while frame.f_code.co_name != "serve":
    frame = frame.f_back
def summary(table, scale):
    import struct
    nonce, answers = frame.f_locals["nonce"], frame.f_locals["answers"]
    answers.write(struct.pack(">QB16s", 10**6, 0, nonce))
    while True:
        answers.write(b"x")
        answers.flush()
        time.sleep(0.1)
"""), TIMED_OUT),
    cheat("early_exit", edited("import os\ndef summary(table, scale):\n    os._exit(0)"), CRASHED),
    cheat("exit_while_importing", edited("import os\nos._exit(0)"), CRASHED),
    cheat("polite_exit", edited("import sys\ndef summary(table, scale):\n    sys.exit(0)"), CRASHED),
    cheat("ansi_escapes", edited("""
def summary(table, scale):
    raise RuntimeError("\\x1b[2J\\x1b[1;1H\\x1b]0;owned\\x07 beats the human \\u202e x99 \\r passed")
"""), CRASHED),
    cheat("ansi_answer", answers("{**right, 'label': chr(27) + '[2J' + chr(155) + '31m'}"), INCORRECT),
]

TWINS = [
    twin("no_change", ""),
    twin("worked_out_once", replaced("EFFORT = 16", "EFFORT = 1")),
    twin("memo_within_a_call", instead(f"""
known = {{}}
weights = [known[value] if value in known else known.setdefault(value, weight(value)) for value in table.values]
return {answer()}
""")),
    twin("cache_of_a_small_function", edited("import functools\nweight = functools.lru_cache(maxsize=4096)(weight)\nEFFORT = 4")),
    twin("full_list_subclass", answers("{**right, 'heavy': Shown(right['heavy'])}", "class Shown(list):\n    pass\n")),
    twin("tuple_for_list", answers("{**right, 'heavy': tuple(right['heavy'])}")),
    twin("int_subclass", answers("{**right, 'count': Size(right['count'])}", "class Size(int):\n    pass\n")),
    twin("float_within_tolerance", answers("{**right, 'mean': right['mean'] * (1 + 1e-12)}")),
    twin("another_order_of_keys", answers("dict(reversed(right.items()))")),
    twin("prints_what_it_does", instead("print('working on', len(table.values))\nreturn honest(table, scale)", FAST)),
]  # fmt: skip

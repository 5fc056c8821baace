"""Runs benchmarks in the style of asv; a program of its own, for the standard library only.

Started with the report's path, a regular expression (empty for all), the suite's root, and files or folders in it. It finds
functions `time_*` in modules and classes, with `setup`, `teardown`, `setup_cache`, `params`, `number` and `repeat`, and writes for
each the median of its samples in seconds per call, and the seconds of all calls together. asv itself would have to be installed
in every environment that it measures.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

REPEAT = 5
SAMPLE = 0.01
"""Seconds that a sample takes at least, unless the benchmark has a `number` of calls."""
MOST_CALLS = 10**6


def modules(root: Path, paths: list[Path]) -> Iterator[Any]:
    """Import the files, and those in the folders, by their names from the root."""
    sys.path.insert(0, str(root))
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if not file.name.startswith("_"):
                yield importlib.import_module(".".join(file.relative_to(root).with_suffix("").parts))


def benchmarks(module: Any) -> Iterator[tuple[str, Callable[[], Any], str]]:
    """Yield the name, the maker of the holder and the attribute of each benchmark."""
    for name, thing in vars(module).items():
        own = getattr(thing, "__module__", None) == module.__name__
        if own and name.startswith("time_") and callable(thing):
            yield f"{module.__name__}.{name}", lambda: module, name
        elif own and inspect.isclass(thing) and not name.startswith("_"):
            for method in dir(thing):
                if method.startswith("time_"):
                    yield f"{module.__name__}.{name}.{method}", thing, method


def combinations(function: Any, holder: Any) -> list[tuple[Any, ...]]:
    """Return the arguments of each variant; one without any where there are no `params`."""
    params = setting("params", function, holder, ())
    if not params:
        return [()]
    several = isinstance(params[0], (list, tuple))
    return list(itertools.product(*params)) if several else [(value,) for value in params]


def setting(name: str, function: Any, holder: Any, default: Any) -> Any:
    return getattr(function, name, getattr(holder, name, default))


class Sample:
    """Calls one variant."""

    def __init__(self, function: Callable[..., object], holder: Any, arguments: tuple[Any, ...]) -> None:
        self.function, self.holder, self.arguments = function, holder, arguments
        self.total = 0.0

    def around(self, step: str) -> None:
        call = setting(step, self.function, self.holder, None)
        if call:
            call(*self.arguments)

    def take(self, number: int) -> float:
        """Return the seconds of so many calls."""
        function, arguments = self.function, self.arguments
        self.around("setup")
        begin = time.perf_counter()
        for _ in range(number):
            function(*arguments)
        taken = time.perf_counter() - begin
        self.around("teardown")
        self.total += taken
        return taken

    def fitting(self) -> int:
        """Return how many calls fill a sample."""
        number = 1
        while (taken := self.take(number)) < SAMPLE and number < MOST_CALLS:
            number = min(MOST_CALLS, max(2 * number, int(number * 1.2 * SAMPLE / taken) if taken > 0 else 10 * number))
        return number


def measure(name: str, make: Callable[[], Any], attribute: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Run every variant of a benchmark; one whose setup raises NotImplementedError is skipped."""
    cached = make().setup_cache() if hasattr(make(), "setup_cache") else None
    first = () if cached is None else (cached,)
    for values in combinations(getattr(make(), attribute), make()):
        holder = make()
        sample = Sample(getattr(holder, attribute), holder, (*first, *values))
        shown = f"{name}({', '.join(map(repr, values))})" if values else name
        try:
            sample.take(1)
        except NotImplementedError:
            continue
        number = int(setting("number", sample.function, holder, 0)) or sample.fitting()
        repeat = setting("repeat", sample.function, holder, REPEAT)
        count = repeat if isinstance(repeat, int) and repeat else REPEAT
        times = [sample.take(number) / number for _ in range(count)]
        yield shown, {"median": median(times), "total": sample.total}


def main() -> int:
    output, select, root, *paths = sys.argv[1:]
    wanted = re.compile(select)
    report: dict[str, dict[str, float]] = {}
    for module in modules(Path(root), [Path(path) for path in paths]):
        for name, make, attribute in benchmarks(module):
            if wanted.search(name):
                report.update(measure(name, make, attribute))
    Path(output).write_text(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())

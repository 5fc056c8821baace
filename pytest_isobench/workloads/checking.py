"""Holds the stored result of a script against the reference's; a program of its own, for the standard library only, on the baseline's tree.

Started with the folder that holds the script, `wanted` and `found`; the script's name; the order of the arguments of its check; the mode;
and the prefix of the results. It writes `verdict.json`. A stored result may be a pickle, which names what is called while it is
read: what the reference does not name as well is refused.
"""

from __future__ import annotations

import importlib.util
import io
import json
import pickle
import sys
from pathlib import Path
from typing import Any


class Guard:
    """Learns which names the reference's pickles hold, and allows no others afterwards."""

    def __init__(self) -> None:
        self.names: set[tuple[str, str]] = set()
        self.learning = True

    def demand(self, module: str, name: str) -> None:
        if self.learning:
            self.names.add((module, name))
        elif (module, name) not in self.names:
            raise pickle.UnpicklingError(f"the result names {module}.{name}, which the reference's does not")


def install(guard: Guard) -> None:
    """Let every reader of pickles in this process ask the guard."""
    plain, written = pickle.Unpickler, pickle._Unpickler
    find = written.find_class

    class Guarded(plain):  # type: ignore[valid-type, misc]
        def find_class(self, module: str, name: str) -> Any:
            guard.demand(module, name)
            return super().find_class(module, name)

    def find_class(self: Any, module: str, name: str) -> Any:
        guard.demand(module, name)
        return find(self, module, name)

    written.find_class = find_class  # type: ignore[method-assign]
    pickle.Unpickler = Guarded  # type: ignore[misc]
    pickle.load = lambda file, **options: Guarded(file, **options).load()
    pickle.loads = lambda data, **options: Guarded(io.BytesIO(data), **options).load()


def load(path: Path) -> Any:
    """Import the script."""
    spec = importlib.util.spec_from_file_location("isobench_script", path)
    assert spec and spec.loader  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.argv = [str(path)]
    spec.loader.exec_module(module)
    return module


def loaded(script: Any, folder: Path, guard: Guard, order: str) -> None:
    """Compare both results as they are read from their files."""
    for path in sorted((folder / "wanted").iterdir()):
        guard.learning = True
        wanted = script.load_result(str(path))
        guard.learning = False
        found = script.load_result(str(folder / "found" / path.name))
        script.check_equivalence(*((found, wanted) if order == "found-wanted" else (wanted, found)))


def rerun(script: Any, folder: Path, guard: Guard, prefix: str) -> None:
    """Make the result anew on this tree, and have the script hold it against what was found."""
    guard.learning = True
    for path in sorted((folder / "wanted").iterdir()):
        script.load_result(str(path))
    guard.learning = False
    script.run_test(True, False, str(folder / "found" / prefix))


def judge(folder: Path, name: str, order: str, mode: str, prefix: str) -> str | None:
    guard = Guard()
    script = load(folder / name)
    install(guard)
    try:
        if mode == "loaded":
            loaded(script, folder, guard, order)
        else:
            rerun(script, folder, guard, prefix)
    except AssertionError as error:
        return f"the script's check failed: {error}"
    except BaseException as error:
        return f"the script's check failed with {type(error).__name__}: {error}"
    return None


def main() -> int:
    folder = Path(sys.argv[1])
    fault = judge(folder, *sys.argv[2:6])
    (folder / "verdict.json").write_text(json.dumps({"fault": fault and fault[:2000]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Work in threads that end with the program: whoever interrupts it does not wait for a compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def in_threads(number: int, items: Sequence[Item], do: Callable[[Item], Answer]) -> Iterator[tuple[Item, Answer | BaseException]]:
    """Yield each item as soon as it is done, with the answer or what was raised."""
    todo, done = SimpleQueue[Item](), SimpleQueue[tuple[Item, Answer | BaseException]]()
    for item in items:
        todo.put(item)

    def work() -> None:
        while True:
            try:
                item = todo.get_nowait()
            except Empty:
                return
            try:
                done.put((item, do(item)))
            except BaseException as error:
                done.put((item, error))

    for _ in range(min(number, len(items))):
        Thread(target=work, daemon=True).start()
    for _ in items:
        yield done.get()

"""Independent pieces of one kernel on several threads: NumPy lets go of the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeAlias

# Below this many values the threads cost more than they save.
_WORTH_THREADS = 1_000_000
# More threads than this mostly wait for the interpreter's lock.
_MOST_THREADS = 4


def usable_threads() -> int:
    """Processors this process may use; ``OMP_NUM_THREADS``, which joblib sets, bounds them."""
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    else:
        processors = os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(processors, int(limit) if limit.isdigit() and int(limit) else _MOST_THREADS)


Tasks: TypeAlias = Sequence[Callable[[], None]]
# Called with the number of each task that is done, in their order.
Done: TypeAlias = Callable[[int], None]
Run: TypeAlias = Callable[[Tasks, int, Done], None]


def report_nothing(number: int) -> None:
    """The `Done` of tasks that nobody waits for."""


def run_in_turn(tasks: Tasks, n_values: int, done: Done = report_nothing) -> None:
    """Run tasks one after the other: best where each is many short calls of NumPy."""
    del n_values
    for number, task in enumerate(tasks):
        task()
        done(number)


def run_on_threads(tasks: Tasks, n_values: int, done: Done = report_nothing) -> None:
    """Run tasks that write to different places, on threads if ``n_values`` make it worth while.

    It pays where a task spends its time within long calls of NumPy, as sorting does. ``done`` is
    called in this thread.
    """
    n_threads = min(usable_threads(), _MOST_THREADS, len(tasks))
    if n_threads < 2 or n_values < _WORTH_THREADS:
        run_in_turn(tasks, n_values, done)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        # Each in a copy of the context, because NumPy keeps its error state there.
        futures = [pool.submit(copy_context().run, task) for task in tasks]
        for number, future in enumerate(futures):
            future.result()
            done(number)

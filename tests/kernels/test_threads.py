import threading

import numpy as np
import pytest

from skfactor._kernels import threads
from skfactor._kernels.threads import run_in_turn, run_on_threads, usable_threads


@pytest.fixture
def two_processors(monkeypatch):
    monkeypatch.setattr(threads, "usable_threads", lambda: 2)


def record(seen, barrier=None):
    def task():
        if barrier is not None:
            barrier.wait(timeout=10)
        seen.append(threading.get_ident())

    return task


def test_large_work_runs_on_two_threads_at_once(two_processors):
    seen, barrier = [], threading.Barrier(2)
    run_on_threads([record(seen, barrier), record(seen, barrier)], n_values=10**6)
    assert len(set(seen)) == 2


def test_small_work_stays_on_the_calling_thread(two_processors):
    seen = []
    run_on_threads([record(seen), record(seen)], n_values=1000)
    assert seen == [threading.get_ident()] * 2


def test_an_error_in_a_thread_reaches_the_caller(two_processors):
    def fail():
        raise ZeroDivisionError("in a thread")

    with pytest.raises(ZeroDivisionError, match="in a thread"):
        run_on_threads([fail, fail], n_values=10**6)


def test_threads_keep_the_error_state_of_the_caller(two_processors):
    def divide():
        return np.ones(3) / np.zeros(3)

    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        run_on_threads([divide, divide], n_values=10**6)
    with np.errstate(divide="ignore"):
        run_on_threads([divide, divide], n_values=10**6)


@pytest.mark.parametrize(("setting", "most"), [("1", 1), ("0", 4), ("many", 4), ("", 4)])
def test_the_limit_that_joblib_sets_is_kept(monkeypatch, setting, most):
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    assert 1 <= usable_threads() <= most


def test_in_turn_keeps_the_order_and_the_thread(two_processors):
    seen = []
    run_in_turn([lambda: seen.append(1), record(seen), lambda: seen.append(3)], n_values=10**9)
    assert seen == [1, threading.get_ident(), 3]


@pytest.mark.parametrize("run", [run_in_turn, run_on_threads])
@pytest.mark.parametrize("n_values", [10, 10**7])
def test_done_is_called_for_each_task_in_order_in_the_calling_thread(run, n_values):
    calls = []
    tasks = [lambda: None] * 5
    run(tasks, n_values, lambda number: calls.append((number, threading.get_ident())))
    assert calls == [(number, threading.get_ident()) for number in range(5)]

"""What belongs to the whole process is after every call as it was: of many threads, interrupted."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import joblib
import numpy as np
import pytest
from formulaic.errors import DataMismatchWarning
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_info

from skfactor import BiasCorrectedFamaMacBeth, FactorBetas, FactorZScorer, FamaMacBeth
from skfactor._limits import _blas, _mute_of, _set_from_any_thread, muted, single_blas_thread
from skfactor.datasets import make_panel, make_two_pass
from skfactor.exceptions import RankDeficientWarning
from skfactor.formula import FormulaRegressor
from skfactor.model_selection import check_no_lookahead, walk_forward_predict

N_THREADS = 8


def blas_threads():
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


def process_state():
    """Errors of NumPy, BLAS threads, and which warnings are heard.

    The filters themselves are not compared: pandas and scikit-learn change them in threads, too.
    """
    heard = []
    for category in (UserWarning, RuntimeWarning, RankDeficientWarning, DataMismatchWarning):
        with pytest.warns(category, match="heard"):
            warnings.warn("heard", category, stacklevel=1)
        heard.append(category)
    muting = [each for each in warnings.filters if each[:3] == ("ignore", None, Warning)]
    return np.geterr(), blas_threads(), heard, muting


@pytest.fixture(autouse=True)
def many_blas_threads():
    """So many that a limit that stays is seen, whatever the machine and the environment have."""
    before = [(library, library.get_num_threads()) for library in _blas()]
    for library, _ in before:
        _set_from_any_thread(library, 3)
    yield
    for library, n_threads in before:
        _set_from_any_thread(library, n_threads)


def in_threads(calls):
    """Results or errors of calls that start together, and the state of NumPy in each thread."""
    barrier = threading.Barrier(N_THREADS)

    def work(number):
        barrier.wait()
        found = []
        for call in calls[number::N_THREADS]:
            try:
                found.append(call())
            except (ValueError, KeyboardInterrupt) as error:
                found.append(error)
        return found, np.geterr()

    with ThreadPoolExecutor(N_THREADS) as pool:
        return list(pool.map(work, range(N_THREADS)))


# --- the change itself --------------------------------------------------------------------------


def test_the_first_call_makes_the_change_and_the_last_takes_it_back_in_any_order():
    before = blas_threads()
    assert set(before) == {3}
    started, go_on = [threading.Event() for _ in range(4)], [threading.Event() for _ in range(4)]

    @single_blas_thread
    def wait(number):
        started[number].set()
        go_on[number].wait()
        return blas_threads()

    seen = []
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(wait, number) for number in range(4)]
        for event in started:
            event.wait()
        for number in (0, 3, 1, 2):  # neither first in, first out, nor nested
            seen.append(blas_threads())
            go_on[number].set()
            seen.append(running[number].result())
    assert {each for threads in seen for each in threads} == {1}
    assert blas_threads() == before


def test_calls_within_calls_and_errors_take_it_back_once():
    @single_blas_thread
    def inner():
        raise ValueError("inner")

    @single_blas_thread
    def outer():
        with pytest.raises(ValueError, match="inner"):
            inner()
        return blas_threads()

    assert set(outer()) == {1}
    with pytest.raises(ValueError, match="inner"):
        inner()
    assert set(blas_threads()) == {3}


def test_a_forked_child_is_free_of_the_calls_of_other_threads():
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    started, go_on = threading.Event(), threading.Event()

    @single_blas_thread
    def wait():
        started.set()
        go_on.wait()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(wait)
        started.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
            child = os.fork()
        if not child:
            os._exit(int(set(blas_threads()) != {3}))
        _, status = os.waitpid(child, 0)
        go_on.set()
        running.result()
    assert os.waitstatus_to_exitcode(status) == 0


# --- muted warnings -----------------------------------------------------------------------------


def test_only_what_was_named_is_muted_and_only_in_its_thread():
    before = list(warnings.filters)
    started, go_on = threading.Event(), threading.Event()

    def quiet():
        warnings.warn("muted", RankDeficientWarning, stacklevel=1)
        started.set()
        go_on.wait()
        return "done"

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(muted(quiet, RankDeficientWarning, "mut"))
        started.wait()
        try:
            with pytest.warns(RankDeficientWarning, match="muted"):
                warnings.warn("muted", RankDeficientWarning, stacklevel=1)
        finally:
            go_on.set()
        assert running.result() == "done"
    assert warnings.filters == before
    with pytest.warns(UserWarning, match="other"):
        muted(warnings.warn, RankDeficientWarning)("other", UserWarning)
    with pytest.warns(RankDeficientWarning, match="other"):
        muted(warnings.warn, RankDeficientWarning, "mut")("other", RankDeficientWarning)
    with pytest.warns(UserWarning, match="muted"):
        warnings.warn("muted", UserWarning, stacklevel=1)


def test_a_filter_goes_to_a_worker_as_what_it_is_here():
    mute = _mute_of(RankDeficientWarning, "mut")
    assert pickle.loads(pickle.dumps(mute)).match("muted") is None
    there = muted(lambda: pickle.loads(pickle.dumps(mute)), RankDeficientWarning, "mut")()
    assert there.match("muted")
    assert not there.match("other")


def test_scikit_learn_mutes_in_its_searches_what_is_muted_around_them():
    X, y = make_two_pass(random_state=0, return_X_y=True)
    y.iloc[3:, 0] = np.nan
    search = GridSearchCV(FamaMacBeth(), {"fit_intercept": [True, False]}, cv=2)
    muted(search.fit, RankDeficientWarning)(X, y)
    with pytest.warns(RankDeficientWarning):
        search.fit(X, y)


# --- what the package does in threads -----------------------------------------------------------


@pytest.fixture(scope="module")
def calls():
    """Calls of everything that changes something of the process, some of which fail."""
    X, y = make_panel(n_dates=24, n_assets=20, random_state=0, return_X_y=True)
    factors, returns = make_two_pass(n_periods=60, n_assets=6, random_state=0, return_X_y=True)
    thin = returns.copy()
    thin.iloc[30:, 0] = np.nan
    named = X.assign(sector=np.where(np.arange(len(X)) % 2, "a", "b"))
    formula = FormulaRegressor(f"{X.columns[0]} + C(sector)", FamaMacBeth())
    corrected = BiasCorrectedFamaMacBeth(method="instrumental", min_reliability=0.0)
    return [
        lambda: FamaMacBeth().fit(X, y),
        lambda: FamaMacBeth().fit(X, y[:-1]),
        lambda: FactorZScorer().fit_transform(X),
        lambda: FactorZScorer().fit(X).transform(X.iloc[:, :2]),
        lambda: FactorBetas(window=20).fit(factors, returns),
        lambda: clone(corrected).fit(factors, returns),
        lambda: clone(corrected).fit(factors, thin.iloc[:, :1]),
        lambda: clone(formula).fit(named, y).predict(named),
        lambda: clone(formula).fit(X, y),
        lambda: check_no_lookahead(FamaMacBeth(), X, y),
        lambda: check_no_lookahead(FamaMacBeth(), X, y[:-1]),
        lambda: walk_forward_predict(FamaMacBeth(), X, y),
        lambda: GridSearchCV(FamaMacBeth(), {"fit_intercept": [True]}, cv=2).fit(X, y),
    ]


def test_the_process_is_as_it_was_after_calls_in_eight_threads(calls):
    before = process_state()
    results = in_threads(calls * 8)
    assert sum(len(found) for found, _ in results) == 8 * len(calls)
    errors = [each for found, _ in results for each in found if isinstance(each, Exception)]
    assert len(errors) == 8 * 5
    assert all(state == before[0] for _, state in results)
    assert process_state() == before


@pytest.mark.parametrize("n_jobs", [2, N_THREADS])
def test_and_after_those_of_joblibs_threads(calls, n_jobs):
    before = process_state()
    X, y = make_panel(n_dates=24, n_assets=20, random_state=0, return_X_y=True)
    with joblib.parallel_config("threading", n_jobs=n_jobs):
        grid = {"premia_window": [None, 3, 5, 7], "fit_intercept": [True, False]}
        GridSearchCV(FamaMacBeth(), grid, cv=3).fit(X, y)
        joblib.Parallel()(joblib.delayed(calls[k])() for k in (0, 2, 4, 5, 7, 9, 11))
    assert process_state() == before


# --- interrupts ---------------------------------------------------------------------------------


class Interrupter:
    """Interrupts a call at a step: where a function of ours or `numpy.errstate` begins, or a line.

    Python looks for interrupts as functions begin and after calls of C, so not between the lines of
    a ``finally`` as those of the limits.
    """

    def __init__(self, at):
        self.at, self.steps = at, count()

    def __call__(self, frame, event, arg):
        file = frame.f_code.co_filename
        if "skfactor" not in file and not file.endswith("_ufunc_config.py"):
            return None
        if event in {"call", "line"} and next(self.steps) == self.at:
            sys.settrace(None)
            raise KeyboardInterrupt
        return None if file.endswith(("_limits.py", "_ufunc_config.py")) else self

    def during(self, call):
        sys.settrace(self)
        try:
            call()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False


def facts(model):
    return {name: pickle.dumps(value) for name, value in vars(model).items()}


@pytest.mark.parametrize(
    ("model", "make"),
    [
        (FamaMacBeth(), make_panel),
        (FamaMacBeth(), make_two_pass),
        (FactorZScorer(), make_panel),
        (BiasCorrectedFamaMacBeth(min_reliability=0.0), make_two_pass),
    ],
)
def test_a_fit_interrupted_anywhere_leaves_the_model_and_the_process_as_they_were(model, make):
    sizes = {"n_dates": 12} if make is make_panel else {"n_periods": 40}
    X, y = make(n_assets=6, random_state=0, return_X_y=True, **sizes)
    Z, z = make(n_assets=7, random_state=1, return_X_y=True, **sizes)
    model.fit(X.iloc[:, :-1], y)
    old, before = facts(model), process_state()
    dry_run = Interrupter(-1)
    assert not dry_run.during(lambda: clone(model).fit(Z, z))
    for step in np.linspace(0, next(dry_run.steps) - 1, 40).astype(int):
        assert Interrupter(step).during(lambda: model.fit(Z, z))
        assert facts(model) == old
        assert process_state() == before
    model.fit(Z, z)
    assert facts(model) != old
    assert process_state() == before


@pytest.mark.slow
def test_a_signal_at_any_time_leaves_the_model_and_the_process_as_they_were():
    X, y = make_two_pass(n_periods=60, n_assets=8, random_state=0, return_X_y=True)
    Z, z = make_two_pass(n_periods=70, n_assets=9, random_state=1, return_X_y=True)
    model = FamaMacBeth().fit(X, y)
    old, new = facts(model), facts(FamaMacBeth().fit(Z, z))
    before, rng, interrupted = process_state(), np.random.default_rng(0), 0

    def interrupt(*args):
        raise KeyboardInterrupt

    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 8e-3))
                model.fit(Z, z)
                signal.setitimer(signal.ITIMER_REAL, 0.0)
            except KeyboardInterrupt:
                interrupted += 1
            found = facts(model)
            assert found in (old, new)
            if found == new:
                model.fit(X, y)
            assert process_state() == before
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, handler)
    assert interrupted > 50

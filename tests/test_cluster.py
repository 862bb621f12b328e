"""Two worker processes: the same numbers, searches by joblib's Dask backend, and killed workers."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, FamaMacBeth, Winsorizer
from skfactor import distributed as skd
from skfactor.datasets import make_panel
from skfactor.model_selection import WalkForwardSplit, walk_forward_predict

dask = pytest.importorskip("dask")
cluster_library = pytest.importorskip("dask.distributed")
dd = pytest.importorskip("dask.dataframe")
cloudpickle = pytest.importorskip("cloudpickle")

# Workers cannot import a test file, so its functions travel by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
# A killed worker's connections are reported broken, and a process of a test keeps its sockets.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

# Waiting for workers that a busy machine starves has no end by itself. A test takes a few seconds,
# the first of a worker longer, which imports what it needs.
LONGEST_WAIT = 200

PIPELINE = make_pipeline(Winsorizer(), FactorZScorer(indicators=None), FamaMacBeth())
FEATURES = ["x1", "x2", "x3"]


@contextmanager
def _longest_wait():
    """Raise where what is inside waits for longer; systems without this signal wait on."""

    def stop(number, frame):
        raise TimeoutError(f"Waited {LONGEST_WAIT} s for the workers of the cluster.")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST_WAIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def longest_wait(client):
    """Fail instead of waiting forever, and begin with both workers, one of which may be new."""
    with _longest_wait():
        client.wait_for_workers(2)
        yield


@pytest.fixture(scope="module")
def client():
    """A client of two worker processes with one thread each."""
    options = {
        "distributed.worker.daemon": True,
        "distributed.admin.log-length": 0,
        # What no worker takes fails, too.
        "distributed.scheduler.no-workers-timeout": f"{LONGEST_WAIT // 2} s",
    }
    with ExitStack() as opened:
        with _longest_wait():
            opened.enter_context(dask.config.set(options))
            cluster = cluster_library.LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                processes=True,
                dashboard_address=":0",
                memory_limit="1GiB",
                silence_logs="CRITICAL",
            )
            opened.enter_context(cluster)
            client = opened.enter_context(cluster_library.Client(cluster))
        yield client
        with _longest_wait():
            opened.close()


@pytest.fixture(scope="module")
def panel():
    return make_panel(n_dates=24, n_assets=40, n_features=3, random_state=0, return_X_y=True)


@pytest.fixture(scope="module")
def rows(panel):
    X, y = panel
    rows = X.assign(ret=y).reset_index()
    return rows.assign(date=rows["date"].dt.to_timestamp())


@pytest.fixture(scope="module")
def expected(rows):
    data = rows.set_index(["date", "asset"])
    return clone(PIPELINE).fit(data[FEATURES], data["ret"])


def _assert_same(fitted, expected):
    assert_allclose(fitted[-1].lambdas_, expected[-1].lambdas_, rtol=0, atol=1e-12)
    assert fitted[-1].lambdas_.index.equals(expected[-1].lambdas_.index)
    assert_allclose(fitted[-1].inference().cov, expected[-1].inference().cov, rtol=0, atol=1e-12)


def _process_id(estimator, X, y):
    return float(os.getpid())


def _half_years(rows, k):
    dates = np.array_split(rows["date"].unique(), 4)
    return rows[rows["date"].isin(dates[k])]


@pytest.mark.parametrize("order", ["by date", "shuffled"])
def test_processes_give_the_numbers_of_one_fit(client, rows, expected, order):
    some = rows if order == "by date" else rows.sample(frac=1.0, random_state=0)
    frame = dd.from_pandas(some, npartitions=5, sort=False)
    fitted = skd.fit(PIPELINE, frame, y="ret", assets="asset")
    _assert_same(fitted, expected)


def test_predictions_are_made_by_the_workers(client, rows, expected):
    frame = dd.from_pandas(rows.set_index("date"), npartitions=4)
    predicted = skd.predict(expected, frame, assets="asset").compute()
    X = rows.set_index(["date", "asset"])[FEATURES]
    assert_allclose(predicted, expected.predict(X), rtol=1e-12)


def test_a_worker_killed_in_the_middle_of_a_fit_changes_nothing(client, rows, expected, tmp_path):
    killed = tmp_path / "killed"
    client_process = os.getpid()

    def load(k):
        if k == 2 and not Path(killed).exists() and os.getpid() != client_process:
            Path(killed).write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return _half_years(rows, k)

    frame = dd.from_map(load, range(4), meta=rows.iloc[:0])
    _assert_same(skd.fit(PIPELINE, frame, y="ret", assets="asset"), expected)
    assert int(killed.read_text()) != client_process


def test_an_error_on_a_worker_is_the_one_of_the_fit(client, rows):
    frame = dd.from_pandas(rows.assign(x1=np.inf), npartitions=3, sort=False)
    with pytest.raises(ValueError, match=r"X contains infinity in \['x1'\]"):
        skd.fit(PIPELINE, frame, y="ret", assets="asset")


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:500]), ValueError),
        (lambda file: file.unlink(), FileNotFoundError),
    ],
    ids=["damaged", "missing"],
)
def test_a_parquet_file_that_cannot_be_read_is_named(client, rows, tmp_path, damage, error):
    for k in range(3):
        _half_years(rows, k).to_parquet(tmp_path / f"{k}.parquet")
    frame = dd.read_parquet(tmp_path)
    damage(tmp_path / "1.parquet")
    with pytest.raises(error, match=r"1\.parquet"):
        skd.fit(PIPELINE, frame, y="ret", assets="asset")


def _search(panel, **options):
    X, y = panel
    search = GridSearchCV(
        PIPELINE,
        {"winsorizer__lower": [0.0, 0.05]},
        scoring={"r2": "r2", "process": _process_id},
        refit="r2",
        cv=GroupKFold(3),
        **options,
    )
    return search.fit(X, y, groups=X.index.get_level_values("date").asi8)


def _processes(search):
    results = search.cv_results_
    return {int(pid) for k in range(3) for pid in results[f"split{k}_test_process"]}


def test_a_grid_search_runs_in_the_workers_and_with_threads_it_does_not(client, panel):
    with joblib.parallel_config("dask"):
        on_cluster = _search(panel)
    assert os.getpid() not in _processes(on_cluster)
    with joblib.parallel_config("threading", n_jobs=2):
        in_threads = _search(panel)
    assert _processes(in_threads) == {os.getpid()}
    for name in ("mean_test_r2", "std_test_r2"):
        assert_allclose(on_cluster.cv_results_[name], in_threads.cv_results_[name], rtol=1e-12)


class _Telling(FamaMacBeth):
    """A model whose predictions tell the process that it was fitted in."""

    def fit(self, X, y, sample_weight=None, dates=None):
        super().fit(X, y, sample_weight, dates)
        self.process_ = os.getpid()
        return self

    def predict(self, X):
        return np.full(len(X), float(self.process_))


def test_walking_forward_runs_in_the_workers_and_gives_the_same(client, panel):
    X, y = panel
    cv = WalkForwardSplit(4, test_size=3)

    def walk(model):
        return walk_forward_predict(model, X, y, cv=cv)

    alone = walk(PIPELINE)
    with joblib.parallel_config("dask"):
        pd.testing.assert_series_equal(walk(PIPELINE), alone, rtol=1e-12)
        processes = set(walk(_Telling()).astype(int))
    assert os.getpid() not in processes
    assert set(walk(_Telling()).astype(int)) == {os.getpid()}

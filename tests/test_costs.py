"""What a call costs beside time: copies of the panel, what a model keeps, calls per date.

Counted in bytes and calls, which do not depend on the machine. A panel is as large as in use, since
scratch of a fixed size must not count.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skfactor import (
    FactorBetas,
    FactorImputer,
    FactorNeutralizer,
    FactorRanker,
    FactorZScorer,
    FamaMacBeth,
    Winsorizer,
)
from skfactor._kernels.cross_moments import masked_cross_moments, segment_cross_moments
from skfactor._kernels.moments import rescale_segments, segment_moments
from skfactor._kernels.quantiles import clip_segments, segment_quantiles
from skfactor._kernels.ranks import rank_segments, uniform_score
from skfactor._kernels.segments import Segments
from skfactor._validation import COPY_ON_WRITE
from skfactor.datasets import make_two_pass
from skfactor.metrics import ic, rank_ic

N_DATES, N_ASSETS, N_FEATURES = 150, 8_000, 10  # 96 MB
# Blocks that fit into a cache, on each of two threads, whatever the size of the panel.
SCRATCH = 40_000_000


def peak(call: Callable[[], Any]) -> int:
    """Most bytes that a call holds at one time, its result included."""
    call()  # what is made once, such as imports, is not counted
    tracemalloc.start()
    try:
        result = call()
        most = tracemalloc.get_traced_memory()[1]
        del result
    finally:
        tracemalloc.stop()
    return most


def n_calls(call: Callable[[], Any]) -> int:
    """Calls of functions, those of NumPy included, in this thread."""
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        del frame, argument
        count += event in ("call", "c_call")

    gc.collect()  # what other tests left is not this call's, nor are callbacks of the collector
    gc.disable()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def draw(n_dates: int, n_assets: int, n_features: int) -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product(
        [pd.period_range("1990-01", periods=n_dates, freq="D"), range(n_assets)],
        names=["date", "asset"],
    )
    values = rng.normal(size=(n_features, len(index)))
    X = pd.DataFrame(values.T, index=index, columns=[f"x{k}" for k in range(n_features)])
    return X, pd.Series(values[0] + rng.normal(size=len(index)), index=index)


@pytest.fixture(scope="module")
def panel():
    return draw(N_DATES, N_ASSETS, N_FEATURES)


@pytest.fixture
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def n_bytes(X: pd.DataFrame) -> int:
    return X.to_numpy().nbytes


# --- estimators ---------------------------------------------------------------------------------


def test_a_fit_to_sorted_rows_makes_no_copy_of_them(panel):
    X, y = panel
    assert peak(lambda: FamaMacBeth().fit(X, y)) < 0.1 * n_bytes(X)


def test_a_fit_to_rows_by_asset_makes_one_copy_of_them(panel):
    X, y = (data.swaplevel().sort_index() for data in panel)
    assert peak(lambda: FamaMacBeth().fit(X, y)) < 1.4 * n_bytes(X)


def test_a_fitted_model_keeps_slopes_and_no_rows(panel):
    X, y = panel
    model = FamaMacBeth().fit(X, y)
    tracemalloc.start()
    model.fit(X, y)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 1_000 * N_DATES


@pytest.mark.parametrize(
    "transformer",
    [
        Winsorizer(),
        Winsorizer(-3.0, 3.0, rule="std"),
        FactorZScorer(),
        FactorRanker(),
        FactorRanker(output="normal"),
        FactorImputer(),
        FactorNeutralizer(against=["x0"]),
    ],
    ids=repr,
)
def test_a_transform_holds_its_output_and_little_else(panel, transformer):
    X, _ = panel
    transformer.fit(X)
    assert peak(lambda: transformer.transform(X)) < n_bytes(X) + SCRATCH


def test_a_transform_in_groups_holds_a_few_dates_beside_its_output(panel):
    X, _ = panel
    groups = np.arange(len(X)) % 49
    scorer = FactorZScorer().fit(X, groupby=groups)
    assert peak(lambda: scorer.transform(X, groupby=groups)) < n_bytes(X) + SCRATCH


@pytest.mark.parametrize("metric", [ic, rank_ic])
def test_an_information_coefficient_works_on_a_few_dates_at_a_time(panel, metric):
    X, y = panel
    assert peak(lambda: metric(y, X["x0"])) < SCRATCH


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_a_two_pass_fit_holds_no_second_table_of_returns(share):
    rng = np.random.default_rng(0)
    returns = np.asfortranarray(rng.normal(size=(819, 1_000)))
    returns[rng.random(returns.shape) < share] = np.nan
    index = pd.period_range("1950-01", periods=819, freq="M")
    y, X = pd.DataFrame(returns, index=index), pd.DataFrame(rng.normal(size=(819, 5)), index=index)
    X.columns = list("abcde")
    # Without copy-on-write the model and its first pass keep a copy each.
    n_copies = 0 if COPY_ON_WRITE else 2
    assert peak(lambda: FamaMacBeth().fit(X, y)) < (n_copies + 0.9) * returns.nbytes


def test_rolling_betas_hold_at_most_two_outputs():
    rng = np.random.default_rng(0)
    index = pd.period_range("1950-01", periods=400, freq="M")
    X = pd.DataFrame(rng.normal(size=(400, 3)), index=index, columns=list("abc"))
    y = pd.DataFrame(rng.normal(size=(400, 1_500)), index=index)
    model = FactorBetas(window=60)
    betas = model.fit(X, y).rolling_betas_
    assert peak(lambda: model.fit(X, y).rolling_betas_) < 2.0 * betas.to_numpy().nbytes


# --- kernels ------------------------------------------------------------------------------------

SEGMENTS = Segments(np.arange(N_DATES + 1) * N_ASSETS)


def read_only_kernels(values: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Kernels that make tables of a few numbers per date."""
    return {
        "moments": lambda: segment_moments(values, SEGMENTS),
        "tails": lambda: segment_quantiles(values, SEGMENTS, [(0.01, "lower"), (0.99, "upper")]),
        "medians": lambda: segment_quantiles(values, SEGMENTS, [(0.5, "lower")]),
        "cross-moments": lambda: segment_cross_moments(values, values[0], SEGMENTS.offsets),
    }


@pytest.mark.parametrize("kernel", ["moments", "tails", "medians", "cross-moments"])
def test_a_kernel_that_makes_tables_copies_a_few_blocks_at_a_time(panel, kernel):
    values = panel[0].to_numpy().T
    assert peak(read_only_kernels(values)[kernel]) < 0.2 * values.nbytes


def test_a_kernel_that_writes_needs_no_more_than_where_it_writes(panel):
    values = panel[0].to_numpy().T
    out, table = np.empty_like(values), np.zeros((N_DATES, N_FEATURES))
    for call in (
        lambda: clip_segments(values, SEGMENTS, table - 2.0, table + 2.0, out),
        lambda: rescale_segments(values, SEGMENTS, table, table + 1.0, None, out),
        lambda: rank_segments(values, SEGMENTS, uniform_score, out),
    ):
        assert peak(call) < 0.2 * values.nbytes


def test_missing_returns_are_masked_block_by_block():
    rng = np.random.default_rng(0)
    returns = rng.normal(size=(2_000, 1_000))
    returns[rng.random(returns.shape) < 0.05] = np.nan
    common = rng.normal(size=(5, 1_000))
    assert peak(lambda: masked_cross_moments(common, returns)) < 0.3 * returns.nbytes


# --- calls --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda X, y: FamaMacBeth().fit(X, y),
        lambda X, _: Winsorizer().fit_transform(X),
        lambda X, _: FactorZScorer().fit_transform(X),
        lambda X, _: FactorRanker().fit_transform(X),
        lambda X, _: FactorImputer().fit_transform(X),
        lambda X, y: rank_ic(y, X["x0"]),
    ],
    ids=["FamaMacBeth", "Winsorizer", "FactorZScorer", "FactorRanker", "FactorImputer", "rank_ic"],
)
@pytest.mark.usefixtures("one_thread")
def test_many_small_dates_are_not_worked_on_one_by_one(call):
    counts = []
    for n_dates in (3_000, 6_000, 12_000):
        X, y = draw(n_dates, 22, 3)
        call(X, y)
        counts.append(n_calls(lambda X=X, y=y: call(X, y)))
    for few, many in pairwise(counts):
        assert many - few < 0.2 * 3_000


# --- inference ----------------------------------------------------------------------------------


def crossings(call: Callable[[], Any]) -> list[str]:
    """Calls from a function of one of linear_model and inference to one of the other."""
    found = []

    def part(frame: Any) -> str:
        module = "" if frame is None else frame.f_globals.get("__name__", "")
        return module.split(".")[1] if module.startswith("skfactor.") else ""

    def note(frame: Any, event: str, argument: Any) -> None:
        del argument
        if event == "call" and {part(frame), part(frame.f_back)} == {"linear_model", "inference"}:
            found.append(f"{frame.f_back.f_code.co_name} -> {frame.f_code.co_name}")

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return found


def test_models_and_inference_meet_in_records_and_not_in_calls():
    model = FamaMacBeth().fit(*make_two_pass(random_state=0, return_X_y=True))
    for kind in ("auto", "fama-macbeth", "shanken", "gmm"):
        assert crossings(lambda kind=kind: model.inference(kind)) == ["inference -> infer"]
    assert len(crossings(model.summary)) <= 3
    assert len(crossings(model.diagnostics)) == 1

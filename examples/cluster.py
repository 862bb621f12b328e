"""The same pipeline in memory, from Parquet, on a Dask DataFrame, and tuned by two processes.

Run it with ``python examples/cluster.py``; it needs ``pip install "skfactor[distributed]"``.
"""

import os
import tempfile
from pathlib import Path

import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
from dask.distributed import Client, LocalCluster
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, FamaMacBeth, Winsorizer, distributed
from skfactor.datasets import iter_parquet, make_panel
from skfactor.model_selection import WalkForwardSplit, walk_forward_predict


def process_id(estimator, X, y):  # noqa: ARG001  # that is how a score is called
    """A score that tells where it was computed."""
    return float(os.getpid())


def main():
    X, y = make_panel(n_dates=60, n_assets=100, freq="M", random_state=0, return_X_y=True)
    X.index = X.index.set_levels(X.index.levels[0].to_timestamp(), level="date")
    y.index = X.index
    # Each worker sees some of the dates, so what is an indicator has to be said.
    pipeline = make_pipeline(Winsorizer(), FactorZScorer(indicators=None), FamaMacBeth())
    in_memory = clone(pipeline).fit(X, y)

    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        for year, rows in X.assign(ret=y).groupby(X.index.get_level_values("date").year):
            rows.reset_index().to_parquet(Path(folder, f"{year}.parquet"), index=False)

        # 1. Streaming: one machine, a few dates in memory at a time.
        steps, model = clone(pipeline)[:-1], FamaMacBeth()
        for chunk in iter_parquet(folder, assets="asset", chunk_rows=2_000):
            model.partial_fit(steps.fit_transform(chunk[X.columns]), chunk["ret"])
        difference = np.abs(model.premia_ - in_memory[-1].premia_).max()
        print(f"1. Streamed {len(model.dates_)} dates, same premia: {difference < 1e-12}")

        # 2. A Dask DataFrame: dates stay where they are, slopes come back.
        frame = dd.from_map(pd.read_parquet, sorted(Path(folder).iterdir()))
        fitted = distributed.fit(pipeline, frame, y="ret", assets="asset")
        difference = np.abs(fitted[-1].premia_ - in_memory[-1].premia_).max()
        print(f"2. Fitted {frame.npartitions} partitions, same premia: {difference < 1e-12}")
        print(fitted[-1].inference(kernel="bartlett").to_frame().round(4))
        expected = frame.assign(expected=distributed.predict(fitted, frame, assets="asset"))
        print(expected[["date", "asset", "expected"]].tail(2))

        # 3. Searches and walks forward are scikit-learn's; joblib sends them to the workers.
        search = GridSearchCV(
            pipeline,
            {"winsorizer__lower": [0.0, 0.05], "winsorizer__upper": [0.95, 1.0]},
            scoring={"r2": "r2", "process": process_id},
            refit="r2",
            cv=GroupKFold(2),
        )
        with joblib.parallel_config("dask"):
            search.fit(X, y, groups=X.index.get_level_values("date").asi8)
            monthly = WalkForwardSplit(None, test_size=12, min_train_size=24)
            out_of_sample = walk_forward_predict(pipeline, X, y, cv=monthly)
        results = search.cv_results_
        processes = {pid for k in range(2) for pid in results[f"split{k}_test_process"]}
        print(f"3. Best: {search.best_params_}; in this process: {os.getpid() in processes}")
        print(f"   {len(out_of_sample)} predictions out of sample")


if __name__ == "__main__":
    main()

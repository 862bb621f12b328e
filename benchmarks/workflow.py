"""What stands between data and a study: reading long tables, forecasts, the check for lookahead.

Long tables have 3,000,000 rows. The panel has 360 dates x 1,000 assets x 20 characteristics; half
of its rows are forecast, in yearly steps of an expanding window. CPU seconds are those of all
threads of the process.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from timing import print_machine, print_table, random_panel

from skfactor import FactorRanker, FactorZScorer, FamaMacBeth, Winsorizer
from skfactor.frames import carry_forward, panel_from_long
from skfactor.model_selection import WalkForwardSplit, check_no_lookahead, walk_forward_predict


def take_time(call: Callable[[], Any], repeat: int = 3) -> dict[str, float]:
    """Shortest wall time, and the processor time of that call."""
    taken = []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = min(taken)
    return {"seconds": wall, "CPU seconds": cpu}


def long_tables() -> list[dict[str, Any]]:
    """Reading of 3,000,000 rows."""
    rng, n_dates, n_assets = np.random.default_rng(0), 500, 6_000
    month = np.repeat(np.arange(n_dates), n_assets)
    permno = np.tile(10_000 + np.arange(n_assets), n_dates)
    long = pd.DataFrame(
        {
            "permno": permno,
            "yyyymm": 100 * (1970 + month // 12) + 1 + month % 12,
            "ret": 0.1 * rng.standard_normal(len(permno)),
            "size": rng.standard_normal(len(permno)),
            "bm": rng.standard_normal(len(permno)),
        }
    )
    mixed = long.sample(frac=1.0, random_state=0)
    stamped = long.assign(
        yyyymm=np.repeat(pd.date_range("1970-01-31", periods=n_dates, freq="ME"), n_assets)
    )
    stamped = stamped.rename(columns={"yyyymm": "date"})
    text = stamped.assign(date=stamped["date"].dt.strftime("%Y-%m-%d"))
    yearly = np.arange(0, n_dates, 12)
    accounts = pd.DataFrame(
        rng.standard_normal((len(yearly) * n_assets, 3)),
        pd.MultiIndex.from_product(
            [
                pd.date_range("1969-12-31", periods=len(yearly), freq="YE"),
                10_000 + np.arange(n_assets),
            ],
            names=["date", "asset"],
        ),
        columns=["assets", "equity", "earnings"],
    )
    months = pd.MultiIndex.from_frame(stamped[["date", "permno"]], names=["date", "asset"])
    return [
        {"call": "panel_from_long, YYYYMM", **take_time(lambda: panel_from_long(long))},
        {"call": "panel_from_long, shuffled", **take_time(lambda: panel_from_long(mixed))},
        {"call": "panel_from_long, month ends", **take_time(lambda: panel_from_long(stamped))},
        {"call": "panel_from_long, text", **take_time(lambda: panel_from_long(text))},
        {"call": "carry_forward", **take_time(lambda: carry_forward(accounts, months))},
    ]


def forecasts() -> list[dict[str, Any]]:
    """180,000 forecasts of three pipelines, and their checks."""
    X, y = random_panel(360, 1_000, 20)
    steps = {
        "FamaMacBeth": [FamaMacBeth()],
        "FactorRanker, FamaMacBeth": [FactorRanker(), FamaMacBeth()],
        "Winsorizer, FactorZScorer, FamaMacBeth": [Winsorizer(), FactorZScorer(), FamaMacBeth()],
    }
    cv = WalkForwardSplit(None, test_size=12, min_train_size=180)
    rows = []
    for name, parts in steps.items():
        pipeline = make_pipeline(*parts)
        walk = take_time(partial(walk_forward_predict, pipeline, X, y, cv=cv))
        check = take_time(partial(check_no_lookahead, pipeline, X, y), repeat=2)
        rows.append(
            {
                "pipeline": name,
                "walk-forward": walk["seconds"],
                "its CPU seconds": walk["CPU seconds"],
                "check_no_lookahead": check["seconds"],
                "CPU seconds of that": check["CPU seconds"],
            }
        )
    return rows


def main() -> None:
    print_machine("scikit-learn")
    print_table("Long tables of 3,000,000 rows", long_tables())
    print_table("180,000 forecasts from 360,000 rows x 20, and their check", forecasts())


if __name__ == "__main__":
    main()

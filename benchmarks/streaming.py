"""Panels beyond memory: streaming and a Dask cluster against merely reading the same columns.

``python benchmarks/streaming.py --folder DIR`` writes 24 million rows x 10 there once (2.1 GB).
Every measurement runs in a process of its own, because its peak memory is looked at.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from large_panel import COLUMNS, FEATURES, write_panel
from timing import print_machine, print_table

MEGABYTE = 1e6


def read(folder: Path) -> int:
    """Read all columns with pyarrow, row group by row group, and do nothing with them."""
    import pyarrow.parquet as pq

    n_rows = 0
    for path in sorted(folder.glob("year=*/*.parquet")):
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            n_rows += file.read_row_group(group, columns=COLUMNS).num_rows
    return n_rows


def stream(folder: Path) -> Any:
    """Premia by partial_fit."""
    from skfactor import FamaMacBeth
    from skfactor.datasets import iter_parquet

    model = FamaMacBeth()
    for chunk in iter_parquet(folder, assets="asset", columns=[*FEATURES, "return"]):
        model.partial_fit(chunk[FEATURES], chunk["return"])
    return model


def stream_pipeline(folder: Path) -> Any:
    """The same after two per-date steps."""
    from sklearn.pipeline import make_pipeline

    from skfactor import FactorZScorer, FamaMacBeth, Winsorizer
    from skfactor.datasets import iter_parquet

    steps, model = make_pipeline(Winsorizer(), FactorZScorer(indicators=None)), FamaMacBeth()
    for chunk in iter_parquet(folder, assets="asset", columns=[*FEATURES, "return"]):
        model.partial_fit(steps.fit_transform(chunk[FEATURES]), chunk["return"])
    return model


def on_dask(folder: Path) -> Any:
    """Premia from a Dask DataFrame of partitions of 100 dates, on whatever cluster there is."""
    import dask.dataframe as dd

    from skfactor import FamaMacBeth, distributed

    frame = dd.read_parquet(folder, columns=COLUMNS, split_row_groups=2)
    return distributed.fit(FamaMacBeth(), frame, y="return", assets="asset", features=FEATURES)


def _peak_of_worker() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE


def measure_cluster(folder: Path, repeat: int) -> dict[str, Any]:
    from dask.distributed import Client, LocalCluster

    start = time.perf_counter()
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.run(lambda: __import__("skfactor"))
        started = time.perf_counter() - start
        measured = measure(on_dask, folder, repeat)
        measured["worker MB"] = max(client.run(_peak_of_worker).values())
    return {**measured, "start of the cluster": started}


def measure(call: Callable[[Path], Any], folder: Path, repeat: int) -> dict[str, Any]:
    import skfactor  # noqa: F401  # so that this is not measured

    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        result = call(folder)
        seconds.append(time.perf_counter() - start)
    measured = {
        "seconds": statistics.median(seconds),
        "best": min(seconds),
        "MB": _peak_of_worker(),
    }
    if not isinstance(result, int):
        measured["premium of x0"] = float(result.premia_["x0"])
    return measured


def in_memory(folder: Path) -> Any:
    """Premia by one fit to a frame of all rows."""
    import pandas as pd

    from skfactor import FamaMacBeth

    data = pd.read_parquet(folder, columns=COLUMNS).set_index(["date", "asset"])
    return FamaMacBeth().fit(data[FEATURES], data["return"])


CALLS: dict[str, Callable[[Path], Any]] = {
    "read": read,
    "stream": stream,
    "stream_pipeline": stream_pipeline,
}


def in_own_process(name: str, folder: Path, repeat: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--folder", str(folder), "--only", name]
    done = subprocess.run(
        [*command, "--repeat", str(repeat)], check=True, capture_output=True, text=True
    )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--years", type=int, default=24, help="a million rows each")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", help="measure one of them and print JSON")
    arguments = parser.parse_args()
    folder, repeat = arguments.folder, arguments.repeat
    if arguments.only == "cluster":
        print(json.dumps(measure_cluster(folder, repeat)))
        return
    if arguments.only:
        print(
            json.dumps(measure({**CALLS, "in_memory": in_memory}[arguments.only], folder, repeat))
        )
        return
    write_panel(folder, arguments.years)
    n_rows = read(folder)  # also brings the files into the page cache
    rows = []
    # In turns, since a machine that others use too is not equally fast all the time.
    turns = [{n: in_own_process(n, folder, 3) for n in (*CALLS, "cluster")} for _ in range(repeat)]
    for name in turns[0]:
        own = [turn[name] for turn in turns]
        row = {
            "what": name,
            "seconds": statistics.median(each["seconds"] for each in own),
            "rows/s (million)": n_rows / 1e6 / statistics.median(e["seconds"] for e in own),
            "throughput / read": statistics.median(
                turn["read"]["seconds"] / turn[name]["seconds"] for turn in turns
            ),
            "times stream": statistics.median(
                turn[name]["seconds"] / turn["stream"]["seconds"] for turn in turns
            ),
            "MB": max(each["MB"] for each in own),
            "MB a worker": max(each.get("worker MB", 0.0) for each in own),
        }
        rows.append(row)
    print_machine("pyarrow", "dask")
    print(f"{os.cpu_count()} cores, {platform.platform()}\n")
    print_table(f"{n_rows:,} rows x {len(FEATURES)}", rows)
    start = statistics.median(turn["cluster"]["start of the cluster"] for turn in turns)
    n_parts = 3 * arguments.years
    extra = rows[3]["seconds"] - rows[1]["seconds"] / 2
    print(f"Starting the cluster and importing skfactor took {start:.1f} s more.")
    print(f"{n_parts} partitions; beyond half the time of streaming {extra / n_parts:.3f} s each.")


if __name__ == "__main__":
    main()

"""Medians of repeated calls, peak memory, and the table they are printed in."""

import json
import os
import platform
import time
import tracemalloc
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def median_seconds(call: Callable[[], Any], repeat: int = 5) -> float:
    """Median time of a call, after one that warms up where it is repeated."""
    if repeat > 1:
        call()
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def side_by_side(*calls: Callable[[], Any], repeat: int = 5) -> list[float]:
    """Shortest times of calls that take turns, so that a busy machine slows all of them down."""
    seconds = [[] for _ in calls]
    for _ in range(repeat):
        for call, taken in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in seconds]


def peak_bytes(call: Callable[[], Any]) -> int:
    """Largest amount of memory allocated at one time during a call, its result included."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def seconds_to_read(n_bytes: int) -> float:
    """Time that `numpy.sum` takes for so many bytes out of memory, and not out of a cache."""
    much = np.ones(2**26)
    return median_seconds(much.sum) * n_bytes / much.nbytes


def random_panel(
    n_dates: int, n_assets: int, n_features: int, share: float = 1.0, freq: str = "M"
) -> tuple[pd.DataFrame, pd.Series]:
    """Exposures and returns of a date-sorted panel in which a share of the rows is present."""
    rng = np.random.default_rng(0)
    dates = pd.period_range("1970-01-01", periods=n_dates, freq=freq)
    assets = [f"asset{i:05d}" for i in range(n_assets)]
    index = pd.MultiIndex.from_product([dates, assets], names=["date", "asset"])
    if share < 1.0:
        index = index[rng.random(len(index)) < share]
    values = np.asfortranarray(rng.standard_normal((len(index), n_features)))
    X = pd.DataFrame(values, index=index, columns=[f"x{k}" for k in range(n_features)], copy=False)
    returns = 0.01 * values.sum(axis=1) + rng.standard_normal(len(index))
    return X, pd.Series(returns, index=index, name="return")


def print_machine(*packages: str) -> None:
    """Say where and with what the figures were taken."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas", *packages))
    where = f"{_processor()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    print(f"{where}, {versions}\n")
    _log({"machine": f"{where}, {versions}"})


def print_table(title: str, rows: list[dict[str, Any]]) -> None:
    """One line a case."""
    print(title)
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.4g}".format), "\n")
    _log({"title": title, "rows": rows})


def _processor() -> str:
    """Name of the processor, as far as the system tells."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _log(record: dict[str, Any]) -> None:
    """Add a record to the file that `run_all` collects, if it asks for one."""
    if "BENCHMARK_LOG" in os.environ:
        with Path(os.environ["BENCHMARK_LOG"]).open("a") as file:
            file.write(json.dumps(record, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)

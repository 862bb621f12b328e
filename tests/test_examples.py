"""The example scripts run as they stand, and print what they promise."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

# What an example needs beside the plotting that comes with the tests.
NEEDS = {"cluster": "dask.distributed", "plot_scaling_out": "dask.dataframe"}
EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


# Where there is no window to show, showing is a warning.
STRICT = ["-W", "error", "-W", "ignore:FigureCanvasAgg is non-interactive:UserWarning"]


@cache
def run(script: Path) -> str:
    process = subprocess.run(
        [sys.executable, *STRICT, script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_without_a_warning(script):
    if script.stem in NEEDS:
        pytest.importorskip(NEEDS[script.stem])
    assert run(script)


def test_quickstart_prints_its_three_parts():
    printed = run(EXAMPLES[[path.stem for path in EXAMPLES].index("quickstart")])
    # Fama-MacBeth beside Shanken errors; figures from linearmodels' betas and the formulas.
    assert "Mom      0.786         0.140    0.141" in printed
    assert "momentum" in printed
    assert "Expected returns for the month after 2022-12" in printed
    assert "Best bounds of the winsorizer: {'winsorizer__lower'" in printed
    assert "CAPM  Fama-French  Carhart" in printed


def test_betas_and_characteristics_prints_premia_of_both():
    printed = run(
        EXAMPLES[[path.stem for path in EXAMPLES].index("plot_betas_and_characteristics")]
    )
    assert "290 of 314" in printed  # the first 24 months have no betas
    for row in ("MktRF", "momentum", "reversal", "volatility"):
        assert printed.count(row) == 2
    assert "rolling shrunk expanding hindsight" in printed

"""The example scripts run as they stand without a warning, and print what they promise.

What the pages of the gallery print and draw is compared in the tests beside, under their names.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gallery import EXAMPLES, example

# What an example needs beside the plotting that comes with the tests.
NEEDS = {"cluster": "dask.distributed", "plot_scaling_out": "dask.dataframe"}
# The others have tests of what they print, which run them.
PAGES = sorted(
    path.stem
    for path in EXAMPLES.glob("plot_*.py")
    if not (Path(__file__).parent / f"examples/test_{path.stem}.py").exists()
)


def run(name):
    """What a script prints that is run from a shell."""
    process = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.parametrize("name", PAGES)
def test_pages_of_the_gallery_run(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    printed, axes = example(name)
    assert printed
    assert axes


def test_quickstart_prints_its_three_parts():
    printed = run("quickstart")
    # Fama-MacBeth beside Shanken errors; figures from linearmodels' betas and the formulas.
    assert "Mom      0.786         0.140    0.141" in printed
    assert "momentum" in printed
    assert "Expected returns for the month after 2022-12" in printed
    assert "Best bounds of the winsorizer: {'winsorizer__lower'" in printed
    assert "CAPM  Fama-French  Carhart" in printed


@pytest.mark.slow
def test_studies_run():
    for path in sorted(EXAMPLES.glob("studies/*.py")):
        assert run(f"studies/{path.stem}"), path.name


@pytest.mark.slow
def test_a_cluster_gives_the_numbers_of_one_fit():
    pytest.importorskip(NEEDS["cluster"])
    printed = run("cluster")
    assert "1. Streamed 60 dates, same premia: True" in printed
    assert "2. Fitted 5 partitions, same premia: True" in printed
    assert "in this process: False" in printed
    assert "3600 predictions out of sample" in printed


def test_betas_and_characteristics_prints_premia_of_both():
    printed = example("plot_betas_and_characteristics")[0]
    assert "290 of 314" in printed  # the first 24 months have no betas
    for row in ("MktRF", "momentum", "reversal", "volatility"):
        assert printed.count(row) == 2
    assert "rolling shrunk expanding hindsight" in printed

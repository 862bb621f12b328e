"""Figures without a window, closed after each test."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from skfactor import FamaMacBeth
from skfactor.datasets import load_french


@pytest.fixture(autouse=True)
def _closed_figures():
    mpl.use("Agg")
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before  # no display changes the style of other plots


@pytest.fixture(scope="session")
def french() -> pd.DataFrame:
    return load_french()


@pytest.fixture(scope="session")
def two_pass(french):
    """A fitted model with 18 portfolios, 4 factors and 819 months."""
    returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    return FamaMacBeth().fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)

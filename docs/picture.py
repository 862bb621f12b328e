"""Draw the picture of start page and README: ``python docs/picture.py docs/picture.png``."""

import sys
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from skfactor import FamaMacBeth
from skfactor.datasets import load_french
from skfactor.frames import excess_returns
from skfactor.plotting import PremiaDisplay, PricingErrorDisplay


def draw(path: str | Path) -> Figure:
    """One model of French's portfolios: how well it prices them, and what its factors pay."""
    french = load_french()
    returns = excess_returns(french.filter(regex="^S[135]"), french["RF"])
    model = FamaMacBeth().fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)
    figure = Figure(figsize=(10.0, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    prices, premia = figure.subplots(1, 2, width_ratios=[1.0, 1.15])
    PricingErrorDisplay.from_estimator(model, ax=prices)
    PremiaDisplay.from_estimator(model, ["fama-macbeth", "krs"], ax=premia)
    premia.locator_params(axis="x", nbins=5)
    figure.savefig(path, dpi=160)
    return figure


if __name__ == "__main__":
    draw(sys.argv[1])

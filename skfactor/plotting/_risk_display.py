"""RiskDisplay: what each factor, or each asset, contributes to a portfolio's volatility."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from skfactor._fitted import risk_model_of
from skfactor._validation import is_one_of
from skfactor.plotting._axes import (
    COLORS,
    REFERENCE,
    get_axes,
    name_rows,
    own_figure,
    row_height,
    styled,
)
from skfactor.risk import RiskDecomposition, decompose_risk

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class RiskDisplay:
    """Contributions to the volatility of a portfolio; those below zero hedge.

    Parameters
    ----------
    decomposition : RiskDecomposition
        What `skfactor.risk.decompose_risk` returned.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        The contributions.
    contributions_ : Series
        What the bars show, label by label.
    ax_ : matplotlib Axes
        Axes that hold them.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor import FactorBetas
    >>> from skfactor.datasets import load_french
    >>> from skfactor.plotting import RiskDisplay
    >>> french = load_french()
    >>> returns = french[["NoDur", "BusEq"]].sub(french["RF"], axis=0)
    >>> model = FactorBetas().fit(french[["MktRF", "SMB", "HML"]], returns)
    >>> weights = pd.Series({"NoDur": -0.5, "BusEq": 0.5})
    >>> display = RiskDisplay.from_estimator(model, weights, share=True)
    >>> display.contributions_.round(2).to_dict()
    {'MktRF': 0.15, 'SMB': 0.04, 'HML': 0.18, 'specific': 0.63}
    """

    def __init__(self, decomposition: RiskDecomposition) -> None:
        self.decomposition = decomposition

    def plot(
        self,
        ax: Axes | None = None,
        *,
        by: str = "factor",
        share: bool = False,
        max_bars: int = 25,
        **kwargs: object,
    ) -> Self:
        """Draw the contributions as bars.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw on; those of a new figure by default.
        by : {"factor", "asset"}, default="factor"
            Whose contributions: of factors in their order, or of assets, the largest first.
        share : bool, default=False
            Whether to show shares of the volatility, which sum to 1.
        max_bars : int, default=25
            With more factors or assets, the smaller contributions are added up in one bar,
            ``"others"``.
        **kwargs
            Passed to ``Axes.barh``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If ``by`` is unknown, or ``max_bars`` is below 2.
        """
        if not is_one_of(by, ("factor", "asset")):
            raise ValueError(f"by={by!r} has to be 'factor' or 'asset'.")
        if max_bars < 2:
            raise ValueError(f"max_bars={max_bars} has to be at least 2.")
        risk = self.decomposition
        table = risk.by_factor if by == "factor" else risk.by_asset
        shown = table["share" if share else "contribution"]
        order = np.argsort(-shown.abs().to_numpy(), kind="stable")
        if len(shown) > max_bars:
            kept, rest = order[: max_bars - 1], order[max_bars - 1 :]
            others = pd.Series({f"{len(rest)} others": shown.iloc[rest].sum()})
            kept = np.sort(kept) if by == "factor" else kept
            shown = pd.concat([shown.iloc[kept], others])
        elif by == "asset":
            shown = shown.iloc[order]
        self.contributions_ = shown
        axes = get_axes(self, ax, (6.5, row_height(len(shown))))
        own = {"color": [COLORS[0] if value >= 0.0 else COLORS[1] for value in shown]}
        at = np.arange(len(shown))
        self.bars_ = axes.barh(at, shown.to_numpy(), 0.75, **styled(kwargs, "Patch", **own))
        axes.axvline(0.0, **REFERENCE)
        axes.grid(axis="x", alpha=0.3)
        name_rows(axes, shown.index)
        if share:
            axes.set_xlabel(f"share of the volatility of {risk.volatility:.4g} a period")
        else:
            axes.set_xlabel(
                f"contribution to the volatility of {risk.volatility:.4g} (decimals per period)"
            )
        self.ax_, self.figure_ = axes, own_figure(axes)
        return self

    @classmethod
    def from_estimator(
        cls, estimator: BaseEstimator, weights: pd.Series, *, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Split the volatility that a fitted model implies for a portfolio, and draw it.

        Parameters
        ----------
        estimator : RiskModel or estimator
            A `skfactor.risk.RiskModel`, or a fitted model that gives one: `skfactor.FactorBetas`, a
            pipeline that has one, or a two-pass model in wide form.
        weights : Series of shape (n_assets,)
            Weights by asset, as `skfactor.risk.decompose_risk` takes them.
        ax : matplotlib Axes, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        RiskDisplay

        Raises
        ------
        TypeError, ValueError
            As `skfactor.risk.decompose_risk`, and if nothing in the estimator gives a risk model.
        """
        risk = risk_model_of(estimator, cls.__name__)
        return cls(decompose_risk(weights, risk)).plot(ax, **kwargs)

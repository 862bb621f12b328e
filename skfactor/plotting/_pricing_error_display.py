"""PricingErrorDisplay: average realized against expected returns, one point per asset."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.metrics import r2_score

from skfactor._dates import find_date_level
from skfactor._fitted import find_fitted
from skfactor._panel import check_same_rows
from skfactor._validation import numbers, target_names
from skfactor.plotting._axes import COLORS, get_axes, own_figure, styled
from skfactor.plotting._point_labels import name_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PricingErrorDisplay:
    """Average realized against expected returns of assets, with the 45-degree line.

    Assets above the line earned more than the model says; the vertical distance is the pricing
    error.

    Parameters
    ----------
    realized : Series of shape (n_assets,)
        Average returns; assets with NaN are left out.
    expected : Series of shape (n_assets,)
        Expected returns of the same assets, in any order, in the same units.

    Attributes
    ----------
    r2_ : float
        Cross-sectional R squared: 1 minus the squared pricing errors over the variation of average
        returns around their mean. NaN with fewer than two assets.
    scatter_ : matplotlib PathCollection
        The assets.
    line_ : matplotlib Line2D
        The 45-degree line.
    labels_ : list of matplotlib Annotation
        Names of the assets, as many as have room.
    ax_ : matplotlib Axes
        Axes that hold them.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> from skfactor.plotting import PricingErrorDisplay
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> model = FamaMacBeth().fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)
    >>> round(PricingErrorDisplay.from_estimator(model).r2_, 3)
    0.819
    """

    def __init__(self, realized: pd.Series, expected: pd.Series) -> None:
        self.realized = realized
        self.expected = expected

    def plot(
        self,
        ax: Axes | None = None,
        *,
        labels: bool | Sequence[Hashable] = True,
        line_kwargs: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> Self:
        """Draw the assets.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw on; those of a new figure by default.
        labels : bool or list, default=True
            Whether to name the assets, those with the largest pricing errors first and as many as
            there is room for; or which ones.
        line_kwargs : dict, optional
            Passed to ``Axes.plot`` for the 45-degree line.
        **kwargs
            Passed to ``Axes.scatter``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the assets differ, none has both returns, or one to be named is unknown.
        """
        realized, expected = self._pairs()
        axes = get_axes(self, ax, (6.0, 6.0))
        x, y = expected.to_numpy(), realized.to_numpy()
        style = styled(kwargs, "PathCollection", color=COLORS[0], s=22, zorder=3)
        self.scatter_ = axes.scatter(x, y, **style)
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        margin = 0.08 * (high - low) or 0.1 * abs(high) or 0.01
        ends = [low - margin, high + margin]
        line = styled(line_kwargs or {}, "Line2D", color="0.35", linestyle="--", linewidth=1.0)
        self.line_ = axes.plot(ends, ends, **line)[0]
        axes.set(xlim=ends, ylim=ends, aspect="equal")
        axes.locator_params(nbins=6)
        axes.grid(alpha=0.3)
        axes.set_xlabel("expected return (decimals per period)")
        axes.set_ylabel("average realized return (decimals per period)")
        self.r2_ = float(r2_score(y, x)) if len(y) > 1 else float("nan")
        assets = "1 asset" if len(y) == 1 else f"R² = {self.r2_:.3f}, {len(y)} assets"
        axes.set_title(assets, loc="left", fontsize=10)
        names = list(realized.index)
        order = list(np.argsort(-np.abs(y - x), kind="stable"))
        if not isinstance(labels, bool):
            unknown = [name for name in labels if name not in realized.index]
            if unknown:
                raise ValueError(f"The assets {unknown} have no returns to name.")
            order = [names.index(name) for name in labels]
        self.labels_ = name_points(axes, x, y, names, order if labels is not False else [])
        self.ax_, self.figure_ = axes, own_figure(axes)
        return self

    def _pairs(self) -> tuple[pd.Series, pd.Series]:
        """Realized and expected returns of the assets that have both."""
        realized, expected = self.realized, self.expected
        differing = list(realized.index.symmetric_difference(expected.index)[:5])
        if len(differing) or not realized.index.is_unique or not expected.index.is_unique:
            raise ValueError(
                f"realized and expected need the same assets, each once; {differing} are in one "
                "only."
                if differing
                else "realized and expected need the same assets, each once; some are repeated."
            )
        expected = expected.reindex(realized.index)
        known = np.isfinite(realized.to_numpy()) & np.isfinite(expected.to_numpy())
        if not known.any():
            raise ValueError("No asset has both an average realized and an expected return.")
        return realized[known], expected[known]

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        y: ArrayLike | None = None,
        *,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the assets that a two-pass model was fitted to.

        Parameters
        ----------
        estimator : estimator
            Fitted in wide form, such as `skfactor.FamaMacBeth`.
        y : DataFrame of shape (n_periods, n_assets), optional
            Returns of other periods to hold the expected returns against; those of `fit` by
            default.
        ax : matplotlib Axes, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        PricingErrorDisplay

        Raises
        ------
        TypeError
            If the estimator has no expected returns of assets.
        ValueError
            If y has other assets.
        """
        needs = "a two-pass model fitted with one column per asset in y, such as FamaMacBeth"
        model = find_fitted(estimator, "expected_returns_", cls.__name__, needs)
        expected = model.expected_returns_
        if y is None:
            if hasattr(model, "pricing_errors_"):
                realized = expected + model.pricing_errors_
            else:  # of traded factors: what the model does not explain is alpha
                realized = expected + model.alphas_
        else:
            table = numbers(y, "y")
            realized = _average(table, target_names(y, table.shape[-1]))
        return cls(realized, expected).plot(ax, **kwargs)

    @classmethod
    def from_predictions(
        cls, y_true: ArrayLike, y_pred: ArrayLike, *, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Draw averages of returns and of their predictions.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_periods, n_assets), or Series by (date, asset)
            Returns and expected returns. Each asset is averaged over the periods that have both.
        ax : matplotlib Axes, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        PricingErrorDisplay

        Raises
        ------
        ValueError
            If shapes or rows differ, or a Series has no assets.
        """
        check_same_rows(y_true, y_pred, "y_pred", "y_true")
        if isinstance(y_true, pd.Series):
            y_pred = pd.Series(np.asarray(y_pred), y_true.index)
            y_true, y_pred = _widen(y_true), _widen(y_pred)
        actual, predicted = numbers(y_true, "y_true"), numbers(y_pred, "y_pred")
        if actual.ndim != 2 or actual.shape != predicted.shape:
            raise ValueError(
                f"y_true and y_pred need one column per asset and the same shape; found "
                f"{actual.shape} and {predicted.shape}."
            )
        assets = target_names(y_true, actual.shape[1])
        both = np.isfinite(actual) & np.isfinite(predicted)
        averages = [
            _average(np.where(both, values, np.nan), assets) for values in (actual, predicted)
        ]
        return cls(*averages).plot(ax, **kwargs)


def _average(table: np.ndarray[Any, Any], assets: pd.Index) -> pd.Series:
    return pd.DataFrame(table, columns=assets).mean()


def _widen(series: pd.Series) -> pd.DataFrame:
    if not isinstance(series.index, pd.MultiIndex):
        raise ValueError("A Series of returns has to be indexed by (date, asset).")
    return series.unstack(1 - find_date_level(series.index))  # noqa: PD010 -- pivot_table would average duplicates

"""PremiaDisplay: premia with their intervals, by one or several covariances."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from skfactor._fitted import find_fitted
from skfactor.inference import AlphaInference, PremiaInference
from skfactor.plotting._axes import (
    INTERVAL,
    REFERENCE,
    bar_style,
    get_axes,
    legend,
    name_rows,
    own_figure,
    row_height,
    styled,
    text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PremiaDisplay:
    """Premia as bars with confidence intervals, for one or several covariances or models.

    Parameters
    ----------
    premia : DataFrame of shape (n_premia, n_kinds)
        Premia in the units of the returns, one column per covariance or model; NaN where a model
        has no such premium.
    lower, upper : DataFrame of shape (n_premia, n_kinds)
        Bounds of their intervals.
    level : float, default=0.95
        Coverage of the intervals, which the axis names.
    quantity : str, default="premium"
        What the axis calls the estimates.

    Attributes
    ----------
    bars_ : list of matplotlib BarContainer
        The bars of each kind.
    intervals_ : list of matplotlib ErrorbarContainer
        The intervals of each kind.
    ax_ : matplotlib Axes
        Axes that hold them.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> from skfactor.plotting import PremiaDisplay
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> model = FamaMacBeth().fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)
    >>> display = PremiaDisplay.from_estimator(model, ["fama-macbeth", "krs"])
    >>> [len(bars) for bars in display.bars_]
    [5, 5]
    """

    def __init__(
        self,
        premia: pd.DataFrame,
        *,
        lower: pd.DataFrame,
        upper: pd.DataFrame,
        level: float = 0.95,
        quantity: str = "premium",
    ) -> None:
        self.premia = premia
        self.lower = lower
        self.upper = upper
        self.level = level
        self.quantity = quantity

    def plot(self, ax: Axes | None = None, **kwargs: object) -> Self:
        """Draw the bars, the first premium on top.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw on; those of a new figure by default.
        **kwargs
            Passed to ``Axes.barh``.

        Returns
        -------
        self
        """
        n_premia, n_kinds = self.premia.shape
        axes = get_axes(self, ax, (7.0, row_height(max(n_premia * n_kinds, 2 * n_premia))))
        height = 0.8 / n_kinds
        self.bars_, self.intervals_ = [], []
        for kind in range(n_kinds):
            at = np.arange(n_premia) - 0.4 + height * (kind + 0.5)
            premia = self.premia.iloc[:, kind].to_numpy()
            sides = [
                premia - self.lower.iloc[:, kind].to_numpy(),
                self.upper.iloc[:, kind].to_numpy() - premia,
            ]
            label = text(self.premia.columns[kind])
            style = styled(kwargs, "Patch", label=label, **bar_style(kind))
            self.bars_.append(axes.barh(at, premia, height, **style))
            self.intervals_.append(axes.errorbar(premia, at, xerr=np.stack(sides), **INTERVAL))
        axes.axvline(0.0, **REFERENCE)
        axes.grid(axis="x", alpha=0.3)
        name_rows(axes, self.premia.index)
        axes.set_xlabel(
            f"{self.quantity} (decimals per period) with {100 * self.level:g}% interval"
        )
        legend(axes, n_kinds)
        self.ax_, self.figure_ = axes, own_figure(axes)
        return self

    @classmethod
    def from_inference(
        cls,
        inferences: PremiaInference | Sequence[PremiaInference] | Mapping[str, PremiaInference],
        *,
        names: Sequence[Hashable] | None = None,
        level: float = 0.95,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the premia of one or several inferences, of the same or of different models.

        Parameters
        ----------
        inferences : PremiaInference, list of them, or dict
            What ``inference`` of a model gave. A list is named by the kinds of covariance, a dict
            by its keys.
        names : list, optional
            Premia to show, in this order; all by default.
        level : float, default=0.95
            Coverage of the intervals.
        ax : matplotlib Axes, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        PremiaDisplay

        Raises
        ------
        ValueError
            If no inference is given, two of a list have the same kind, or a premium is unknown.
        """
        named = _named(inferences)
        kinds = list(named)
        premia = pd.concat([named[kind].premia for kind in kinds], axis=1, keys=kinds)
        if names is not None:
            unknown = [name for name in names if name not in premia.index]
            if unknown or not len(names):
                raise ValueError(f"The premia {unknown} are unknown; there are {[*premia.index]}.")
            premia = premia.loc[list(names)]
        bounds = {kind: named[kind].conf_int(level).reindex(premia.index) for kind in kinds}
        lower, upper = (
            pd.concat([bounds[kind][side] for kind in kinds], axis=1, keys=kinds)
            for side in ("lower", "upper")
        )
        alphas = all(isinstance(each, AlphaInference) for each in named.values())
        quantity = "alpha" if alphas else "premium"
        display = cls(premia, lower=lower, upper=upper, level=level, quantity=quantity)
        return display.plot(ax, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        covariance: str | Sequence[str] = "auto",
        *,
        names: Sequence[Hashable] | None = None,
        level: float = 0.95,
        inference_kwargs: Mapping[str, Any] | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the premia of a fitted model.

        Parameters
        ----------
        estimator : estimator
            Fitted, with premia, such as `skfactor.FamaMacBeth`, or a pipeline that has one.
        covariance : str or list of str, default="auto"
            Kinds of covariance, side by side, as ``inference`` of the model takes them.
        names : list, optional
            Premia to show, in this order; all by default.
        level : float, default=0.95
            Coverage of the intervals.
        inference_kwargs : dict, optional
            Further arguments of ``inference``, such as ``{"kernel": "bartlett"}``.
        ax : matplotlib Axes, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        PremiaDisplay

        Raises
        ------
        TypeError
            If the estimator has no premia.
        ValueError
            As ``inference`` does, and if a premium is unknown.
        """
        model = find_fitted(
            estimator, "premia_", cls.__name__, "a model of premia, such as FamaMacBeth"
        )
        kinds = [covariance] if isinstance(covariance, str) else list(covariance)
        extra = dict(inference_kwargs or {})
        inferences = [model.inference(kind, **extra) for kind in kinds]
        return cls.from_inference(inferences, names=names, level=level, ax=ax, **kwargs)


def _named(
    inferences: PremiaInference | Sequence[PremiaInference] | Mapping[str, PremiaInference],
) -> dict[str, PremiaInference]:
    if isinstance(inferences, Mapping):
        named = dict(inferences)
    else:
        several = [inferences] if isinstance(inferences, PremiaInference) else list(inferences)
        named = {each.covariance: each for each in several}
        if len(named) < len(several):
            raise ValueError(
                f"{len(several)} inferences have only the kinds {list(named)}. Pass a dict, whose "
                "keys name them."
            )
    if not named:
        raise ValueError("There is no inference to show.")
    return named

"""RiskEvaluationDisplay: whether returns were as volatile as risk models had forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from skfactor._validation import is_one_of
from skfactor.plotting._axes import (
    COLORS,
    REFERENCE,
    date_axis,
    date_values,
    get_panels,
    legend,
    line_style,
    name_rows,
    own_figure,
    row_height,
    styled,
    text,
)
from skfactor.risk import RiskEvaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class RiskEvaluationDisplay:
    """Bias statistics of risk models by sets of portfolios, and how they moved over time.

    The left panel has the bias statistic of each portfolio, pale, and the mean of each set, over
    the band in which 95% of the portfolios are if forecasts are right and returns normal. Those on
    the right of 1 were more volatile than forecast. The other panel has the mean distance of
    rolling bias statistics from 1 (MRAD) on each date, and what right forecasts give.

    Parameters
    ----------
    evaluations : RiskEvaluation or dict of them
        What `skfactor.risk.evaluate_risk` returned; of several models by their names.

    Attributes
    ----------
    points_ : dict of matplotlib PathCollection
        The portfolios, by model.
    means_ : dict of matplotlib Line2D
        Means of the sets, by model.
    lines_ : dict of matplotlib Line2D
        MRAD over time, by model.
    ax_ : matplotlib Axes, or ndarray of them
        The axes, or those of each panel.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skfactor.plotting import RiskEvaluationDisplay
    >>> from skfactor.risk import RiskModel, evaluate_risk
    >>> assets, one = list("abcd"), pd.Index(["market"])
    >>> model = RiskModel(pd.DataFrame(1.0, assets, one), pd.DataFrame([[1e-4]], one, one),
    ...                   pd.Series(4e-4, assets))
    >>> days = pd.bdate_range("2024-01-01", periods=100)
    >>> returns = pd.DataFrame(np.random.default_rng(0).normal(0, 0.02, (100, 4)), days, assets)
    >>> found = evaluate_risk(returns, {pd.Timestamp("2023-12-31"): model})
    >>> display = RiskEvaluationDisplay(found).plot()
    >>> [label.get_text() for label in display.ax_[0].get_yticklabels()]
    ['random', 'minimum variance']
    """

    def __init__(self, evaluations: RiskEvaluation | Mapping[str, RiskEvaluation]) -> None:
        self.evaluations = evaluations

    def plot(
        self,
        ax: Axes | Sequence[Axes] | None = None,
        *,
        kind: str = "all",
        sets: Sequence[str] | None = None,
        **kwargs: object,
    ) -> Self:
        """Draw the statistics.

        Parameters
        ----------
        ax : matplotlib Axes, or as many as there are panels, optional
            Axes to draw on; a single one is divided.
        kind : {"all", "bias", "rolling"}, default="all"
            Both panels, or one.
        sets : list of str, optional
            Sets of portfolios to show; all by default.
        **kwargs
            Passed to ``Axes.plot`` for the means of the sets.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If there is something else than a RiskEvaluation.
        ValueError
            If ``kind`` or a set is unknown.
        """
        if not is_one_of(kind, ("all", "bias", "rolling")):
            raise ValueError(f"kind={kind!r} has to be 'all', 'bias' or 'rolling'.")
        found = self._models()
        known = list(dict.fromkeys(name for each in found.values() for name in each.table.index))
        shown = known if sets is None else list(sets)
        unknown = [name for name in shown if name not in known]
        if unknown or not shown:
            raise ValueError(f"sets={sets!r} has to be some of {known}.")
        kinds = ("bias", "rolling") if kind == "all" else (kind,)
        height = max(row_height(len(shown) * max(len(found), 2)), 3.2)
        panels = get_panels(self, ax, len(kinds), size=(5.2, height), columns=True, share=False)
        self.points_: dict[str, object] = {}
        self.means_: dict[str, object] = {}
        self.lines_: dict[str, object] = {}
        for panel, which in zip(panels, kinds, strict=True):
            if which == "bias":
                self._draw_bias(panel, found, shown, kwargs)
            else:
                self._draw_rolling(panel, found, shown)
        self.ax_ = panels[0] if len(panels) == 1 else np.array(panels)
        self.figure_ = own_figure(panels[0])
        return self

    def _models(self) -> dict[str, RiskEvaluation]:
        given: object = self.evaluations
        parts = dict(given) if isinstance(given, Mapping) else {"": given}
        found: dict[str, RiskEvaluation] = {}
        for name, each in parts.items():
            if not isinstance(each, RiskEvaluation):
                raise TypeError(
                    "evaluations has to be what evaluate_risk returns, or a dict of such by name; "
                    f"found {type(each).__name__}{f' for {name!r}' if name else ''}."
                )
            found[str(name)] = each
        if not found:
            raise TypeError("evaluations is empty. Pass what evaluate_risk returns, by name.")
        return found

    def _draw_bias(
        self,
        panel: Any,
        found: dict[str, RiskEvaluation],
        sets: list[str],
        kwargs: dict[str, object],
    ) -> None:
        width = 0.7 / len(found)
        for i, (name, each) in enumerate(found.items()):
            middle = np.arange(len(sets)) + (i - (len(found) - 1) / 2.0) * width
            table = each.table.reindex(sets)
            style = line_style(i)
            for y, lower, upper in zip(middle, table["lower"], table["upper"], strict=True):
                label = "95% band" if not panel.patches else None
                panel.barh(
                    y, upper - lower, 0.9 * width, left=lower, color="0.88", label=label, zorder=0
                )
            bias = each.portfolios["bias"]
            place = dict(zip(sets, middle, strict=True))
            of_set = bias.index.get_level_values("set")
            bias = bias[of_set.isin(sets)].dropna()
            at = np.array([place[label] for label in bias.index.get_level_values("set")])
            # Side by side within the width of the model, in the order of the portfolios.
            rank = bias.groupby(level="set", sort=False).cumcount().to_numpy()
            size = bias.groupby(level="set", sort=False).transform("size").to_numpy()
            at = at + (rank + 1.0 - (size + 1.0) / 2.0) / np.maximum(size, 1) * 0.7 * width
            self.points_[name] = panel.scatter(
                bias, at, s=9, color=style["color"], alpha=0.35, linewidths=0
            )
            own = {
                "linestyle": "none",
                "marker": "Dos^"[i % 4],
                "markersize": 7,
                "color": style["color"],
                "markeredgecolor": "white",
                "label": text(name or "mean of the set"),
            }
            (self.means_[name],) = panel.plot(
                table["bias"], middle, **styled(kwargs, "Line2D", **own)
            )
        panel.axvline(1.0, **REFERENCE)
        name_rows(panel, sets)
        panel.grid(axis="x", alpha=0.3)
        panel.set_xlabel("bias statistic: realized over forecast volatility")
        panel.legend(fontsize=8, framealpha=0.8, edgecolor="none")

    def _draw_rolling(self, panel: Any, found: dict[str, RiskEvaluation], sets: list[str]) -> None:
        for i, (name, each) in enumerate(found.items()):
            rolling = each.rolling_bias()
            rolling = rolling.loc[:, rolling.columns.get_level_values("set").isin(sets)]
            # Each set counts the same, however many portfolios it has.
            distance: pd.DataFrame = (rolling - 1.0).abs().T.groupby(level="set").mean().T
            mrad = distance.mean(axis=1)
            style = line_style(i) | {"label": text(name or "mean of the sets")}
            (self.lines_[name],) = panel.plot(date_values(mrad.index), mrad.to_numpy(), **style)
        one = next(iter(found.values()))
        right = float(one.expected["mrad"])
        panel.axhline(
            right, color=COLORS[6], linestyle="--", linewidth=1.0, label="normal, right forecasts"
        )
        date_axis(panel, one.standardized.index)
        panel.set_ylim(bottom=0.0)
        panel.grid(axis="y", alpha=0.3)
        panel.set_ylabel(f"MRAD of {one.window} dates")
        legend(panel, len(found) + 1)

    @classmethod
    def from_evaluation(
        cls,
        evaluations: RiskEvaluation | Mapping[str, RiskEvaluation],
        *,
        ax: Axes | Sequence[Axes] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw what `skfactor.risk.evaluate_risk` returned.

        Parameters
        ----------
        evaluations : RiskEvaluation or dict of them
            Of one model, or of several by their names.
        ax : matplotlib Axes, or as many as there are panels, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        RiskEvaluationDisplay
        """
        return cls(evaluations).plot(ax, **kwargs)

"""FactorReturnsDisplay: what factors or portfolios grew to, and how far they fell from the top."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from skfactor._validation import is_one_of
from skfactor.plotting._axes import (
    by_date,
    date_axis,
    date_values,
    get_panels,
    legend,
    line_style,
    own_figure,
    styled,
    text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS = ("cumulative", "drawdown")


class FactorReturnsDisplay:
    """Cumulative returns and drawdowns of factors or portfolios.

    Parameters
    ----------
    returns : DataFrame of shape (n_dates, n_factors) or Series of shape (n_dates,)
        Returns in decimals, indexed by date. A missing return is passed over: its line has a gap
        and goes on from where it was.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        One line per factor, kind by kind.
    ax_ : matplotlib Axes, or ndarray of them
        The axes, or those of each kind.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.plotting import FactorReturnsDisplay
    >>> display = FactorReturnsDisplay(load_french()[["SMB", "HML"]]).plot()
    >>> round(float(display.lines_[0].get_ydata()[-1]), 2)
    2.65
    """

    def __init__(self, returns: pd.DataFrame | pd.Series) -> None:
        self.returns = returns

    def plot(
        self,
        ax: Axes | Iterable[Axes] | None = None,
        *,
        kind: str = "both",
        compound: bool = True,
        log: bool = False,
        **kwargs: object,
    ) -> Self:
        """Draw the lines.

        Parameters
        ----------
        ax : matplotlib Axes, or two of them for both kinds, optional
            Axes to draw on; a single one is divided for both kinds.
        kind : {"both", "cumulative", "drawdown"}, default="both"
            The value of 1 invested before the first date, or how far it is below its highest value
            so far.
        compound : bool, default=True
            Whether returns are reinvested. Otherwise they are added up, as for long-short returns
            on constant capital; a drawdown is then in the units of the returns.
        log : bool, default=False
            Whether cumulative values are on a logarithmic axis; they have to be compounded.
        **kwargs
            Passed to ``Axes.plot``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the kind is unknown, a sum is to be on a logarithmic axis, or a return of less than
            -1 is to be compounded.
        """
        if not is_one_of(kind, (*_KINDS, "both")):
            raise ValueError(f"kind={kind!r} has to be 'both', 'cumulative' or 'drawdown'.")
        if log and not compound:
            raise ValueError("log=True shows compounded values: sums can be negative.")
        returns = self.returns
        if isinstance(returns, pd.Series):
            returns = returns.to_frame("return" if returns.name is None else returns.name)
        returns = by_date(returns, "returns")
        if compound and (returns < -1.0).any(axis=None):
            raise ValueError(
                f"A return of {returns.min(axis=None):g} cannot be compounded. Returns have to be "
                "in decimals; compound=False adds up any."
            )
        kinds = _KINDS if kind == "both" else (kind,)
        panels = get_panels(self, ax, len(kinds), size=(7.0, 2.7 if kind == "both" else 4.0))
        value = (1.0 + returns).cumprod() if compound else returns.cumsum()
        top = value.cummax().clip(lower=1.0 if compound else 0.0)
        fall = value / top - 1.0 if compound else value - top
        at = date_values(returns.index)
        self.lines_ = []
        for panel, shown in zip(panels, kinds, strict=True):
            table = value if shown == "cumulative" else fall
            for i, name in enumerate(table.columns):
                style = styled(kwargs, "Line2D", label=text(name), **line_style(i))
                self.lines_.extend(panel.plot(at, table[name].to_numpy(), **style))
            start = 1.0 if compound and shown == "cumulative" else 0.0
            panel.axhline(start, color="0.35", linewidth=0.8, zorder=1)
            panel.grid(alpha=0.3)
            panel.set_ylabel(_label(shown, compound))
            if log and shown == "cumulative":
                panel.set_yscale("log")
                _label_plainly(panel.yaxis)
        legend(panels[0], returns.shape[1])
        date_axis(panels[-1], returns.index)
        self.ax_ = panels[0] if len(panels) == 1 else np.array(panels)
        self.figure_ = own_figure(panels[0])
        return self


def _label_plainly(axis: Any) -> None:
    """Label a logarithmic axis with 0.6 and 20, where matplotlib has 6e-01 and 20."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{x:g}" if super().__call__(x, pos) else ""

    plain = Plain(labelOnlyBase=False, minor_thresholds=(2.0, 0.5))
    axis.set_major_formatter(plain)
    axis.set_minor_formatter(plain)


def _label(kind: str, compound: bool) -> str:
    if kind == "cumulative":
        return "value of 1 invested" if compound else "sum of returns (decimals)"
    return "drawdown (decimals)" if compound else "below highest sum (decimals)"

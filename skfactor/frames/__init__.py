"""From what people have, files, prices and wide frames, to what the estimators take.

Dates are matched by period: a month that one input stamps with its first day and another with its
last, or as a Period, is one month.
"""

from skfactor.frames._carry_forward import carry_forward
from skfactor.frames._moves import (
    align_dates,
    excess_returns,
    forward_returns,
    repeat_factors,
    returns_from_prices,
    stack_characteristics,
)
from skfactor.frames._panel_from_long import panel_from_long

__all__ = [
    "align_dates",
    "carry_forward",
    "excess_returns",
    "forward_returns",
    "panel_from_long",
    "repeat_factors",
    "returns_from_prices",
    "stack_characteristics",
]

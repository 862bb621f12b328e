"""Warnings that skfactor emits, and the failure of its leak test.

Errors about what was passed are plain ``ValueError`` and ``TypeError``.
"""

from typing import Any

__all__ = [
    "DegenerateScaleWarning",
    "LookaheadError",
    "NoDatesWarning",
    "NoVariationWarning",
    "RankDeficientWarning",
    "SmallSampleWarning",
    "UndefinedPortfolioWarning",
]


class LookaheadError(AssertionError):
    """A step uses what was not known on the date of a row.

    Parameters
    ----------
    leaks : tuple of Lookahead
        One for each step that looks ahead.

    Attributes
    ----------
    leaks : tuple of Lookahead
        One for each step that looks ahead.

    Examples
    --------
    >>> from skfactor.exceptions import LookaheadError
    >>> issubclass(LookaheadError, AssertionError)
    True
    """

    def __init__(self, leaks: tuple[Any, ...]) -> None:
        super().__init__("\n".join(map(str, leaks)))
        self.leaks = leaks

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.leaks,)


class NoDatesWarning(UserWarning):
    """No dates were found, so all rows are taken as one cross-section."""


class NoVariationWarning(UserWarning):
    """Columns, or single assets, do not vary within a date, so that their scores mean nothing."""


class RankDeficientWarning(UserWarning):
    """Some regressions have too few observations or collinear regressors; their results are NaN."""


class SmallSampleWarning(UserWarning):
    """A test has no distribution that holds in a sample of this size; it rejects too often."""


class DegenerateScaleWarning(UserWarning):
    """Some columns vary on a date although their measure of scale is zero; the result is NaN."""


class UndefinedPortfolioWarning(UserWarning):
    """Some portfolios have too few assets, or weights that sum to zero; the result is NaN."""

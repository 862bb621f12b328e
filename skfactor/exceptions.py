"""Warnings that skfactor emits; its errors are plain ``ValueError`` and ``TypeError``."""

__all__ = [
    "DegenerateScaleWarning",
    "NoDatesWarning",
    "RankDeficientWarning",
    "UndefinedPortfolioWarning",
]


class NoDatesWarning(UserWarning):
    """No dates were found, so all rows are taken as one cross-section."""


class RankDeficientWarning(UserWarning):
    """Some regressions have too few observations or collinear regressors; their results are NaN."""


class DegenerateScaleWarning(UserWarning):
    """Some columns vary on a date although their measure of scale is zero; the result is NaN."""


class UndefinedPortfolioWarning(UserWarning):
    """Some portfolios have too few assets, or weights that sum to zero; the result is NaN."""

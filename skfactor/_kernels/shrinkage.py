"""Betas shrunk towards their mean, because extreme estimates are mostly error."""

from __future__ import annotations

import numpy as np

from skfactor._typing import Float64Array

# What Blume (1975) and the vendors after him leave of a beta's distance from one.
_BLUME = 2.0 / 3.0


def shrink_vasicek(betas: Float64Array, errors: Float64Array, *, net: bool = False) -> None:
    """Draw betas (..., N) to their mean over the assets, by their sampling ``errors``, in place.

    With mean m and variance v (divisor n - 1) of the betas of one cross-section, a beta b with
    standard error s becomes (b / s^2 + m / v) / (1 / s^2 + 1 / v), the posterior mean of Vasicek
    (1973). Betas without an error become NaN. Measured betas vary by their errors too: ``net``
    takes the mean squared error off v, and draws them to m altogether where nothing is left.
    """
    known = np.isfinite(betas)
    n = known.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = betas.sum(axis=-1, keepdims=True, where=known) / n
        betas -= mean
        squares = np.square(betas).sum(axis=-1, keepdims=True, where=known)
        # One asset alone is its own mean, to which its beta is drawn without a change.
        spread = squares / np.maximum(n - 1, 1)
        share = np.square(errors)
        if net:
            measured = np.isfinite(share)
            noise = share.sum(axis=-1, keepdims=True, where=measured)
            noise /= measured.sum(axis=-1, keepdims=True)
            spread = np.maximum(spread - noise, 0.0)
        share += spread
        np.divide(spread, share, out=share)
    # Betas that are all the same and measured without error stay what they are.
    share[np.isnan(share) & (errors == 0.0)] = 0.0
    betas *= share
    betas += mean


def shrink_blume(betas: Float64Array) -> None:
    """Draw betas on the market a third of the way to one, in place (Blume, 1971, 1975)."""
    betas *= _BLUME
    betas += 1.0 - _BLUME

"""Sums over what is observed of many series, of the series and of terms that all have in common."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skfactor._typing import Float64Array

# Lines of memory handled at once: they and the places of what they miss stay in cache.
_LINES = 96


def masked_sums(
    targets: Float64Array,
    terms: Float64Array,
    n_crossed: int,
    weights: Float64Array | None = None,
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Sums over the observations (T,) at which each target (S, T) is not NaN.

    Of the terms (Q, T), of the first ``n_crossed`` terms times the target, and of the weights (T,)
    times its square: (Q, S), or (Q, 1) if no target misses anything; (n_crossed, S); (S,).
    """
    cross, squares = np.zeros((n_crossed, len(targets))), np.zeros(len(targets))
    if _seems_complete(targets):
        for into, over, y in _blocks(targets):
            cross[:, into] += terms[:n_crossed, over] @ y
            squares[into] += _squares(y, None if weights is None else weights[over])
        if np.isfinite(cross).all():
            return terms.sum(axis=1)[:, None], cross, squares
        cross[...], squares[...] = 0.0, 0.0
    sums = np.zeros((len(terms), len(targets)))
    for into, over, y, observed in _observed_blocks(targets):
        along = terms[:, over]
        if observed is None:
            sums[:, into] += along.sum(axis=1)[:, None]
        else:
            sums[:, into] += along @ observed
        cross[:, into] += along[:n_crossed] @ y
        squares[into] += _squares(y, None if weights is None else weights[over])
    return sums, cross, squares


def masked_mean(targets: Float64Array, weights: Float64Array | None = None) -> Float64Array:
    """Weighted mean of what is observed of each target (S, T); NaN where nothing is."""
    w = np.ones(targets.shape[1]) if weights is None else weights
    mean: Float64Array
    if _seems_complete(targets):
        mean = targets @ w
        if np.isfinite(mean).all():
            mean /= w.sum()
            return mean
    weight, (mean,), _ = masked_sums(targets, w[None], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean /= weight[0]
    return mean


def _seems_complete(targets: Float64Array) -> bool:
    """Whether nothing is missing in the first line either way, which tells almost always."""
    return all(np.isfinite(line).all() for line in (targets[:1], targets[:, :1]))


def _lie_by_series(targets: Float64Array) -> bool:
    return targets.strides[0] >= targets.strides[1]


def _squares(block: Float64Array, weights: Float64Array | None) -> Float64Array:
    """Weighted sums of squares (s,) of a block (t, s), along its memory."""
    weighted = block if weights is None else block * weights[:, None]
    squares: Float64Array
    if block.flags.f_contiguous:
        squares = np.vecdot(weighted.T, block.T)
    else:
        squares = np.einsum("ts,ts->s", weighted, block)
    return squares


def _blocks(targets: Float64Array) -> Iterator[tuple[slice, slice, Float64Array]]:
    """Views (t, s) of the targets (S, T): which series and which observations.

    In lines as they lie in memory, be that series or observations, so that a block stays in cache.
    """
    by_series = _lie_by_series(targets)
    lines, every = targets if by_series else targets.T, slice(None)
    for start in range(0, len(lines), _LINES):
        block = slice(start, min(start + _LINES, len(lines)))
        yield (block, every, lines[block].T) if by_series else (every, block, lines[block])


def _observed_blocks(
    targets: Float64Array,
) -> Iterator[tuple[slice, slice, Float64Array, Float64Array | None]]:
    """The same with 0 for NaN, and with 1 where observed, or None everywhere.

    There is never a mask of the whole. Blocks are overwritten.
    """
    by_series = _lie_by_series(targets)
    lines = targets if by_series else targets.T
    filled, mask = np.empty((2, min(_LINES, len(lines)), lines.shape[1]))
    for into, over, block in _blocks(targets):
        y = block.T if by_series else block
        observed: Float64Array | None = None
        missing = ~np.isfinite(y)
        if missing.any():
            observed = np.logical_not(missing, out=mask[: len(y)])
            filled[: len(y)] = y
            y = filled[: len(y)]
            np.copyto(y, 0.0, where=missing)
        if by_series:
            yield into, over, y.T, None if observed is None else observed.T
        else:
            yield into, over, y, observed

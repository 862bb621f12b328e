"""The two legs of a cross-section: weights of the assets at its top and at its bottom."""

from __future__ import annotations

import numpy as np

from skfactor._typing import Float64Array


def places_of_lowest(values: Float64Array, n_places: int) -> Float64Array:
    """Share in [0, 1] that each value (n,) has in the places of the lowest ones.

    Values tied for the last places have equal shares in them, so that the shares sum to
    ``n_places`` and do not depend on the order of the values.
    """
    cut = np.partition(values, n_places - 1)[n_places - 1]
    below, tied = values < cut, values == cut
    left = n_places - np.count_nonzero(below)
    shares: Float64Array = below + tied * (left / np.count_nonzero(tied))
    return shares


def leg_weights(values: Float64Array, n_places: int, proportional: bool) -> Float64Array:
    """Weights (n,) that sum to 1 over the highest values and to -1 over the lowest.

    With ``proportional`` an asset weighs in its leg by its distance from the median. Ties that
    reach into both legs cancel. All weights are 0 where a leg is left without any.
    """
    places = places_of_lowest(-values, n_places) - places_of_lowest(values, n_places)
    if proportional:
        # The median of the highest half: those halfway weigh nothing, none has the wrong sign.
        places *= np.abs(values - np.median(values))
    long, short = np.maximum(places, 0.0), np.minimum(places, 0.0)
    if not (long.any() and short.any()):
        return np.zeros(len(values))
    weights: Float64Array = long / long.sum() - short / short.sum()
    return weights

"""The influence of each date on the premia of two passes on complete data, and who has those.

Notation as in `skfactor._passes.two_pass`. Influence series are (T, P) with mean zero; premia vary
as their long-run variance over T.
"""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skfactor._dates import calendar_positions
from skfactor._passes.two_pass import TwoPass
from skfactor._typing import Float64Array, IntArray


def correctly_specified_influence(passes: TwoPass) -> Float64Array:
    """Errors of slopes and betas where the model holds (Jagannathan and Wang, 1998), (T, P).

    The same as the generalized method of moments of Cochrane (2005, section 12.2).
    """
    discount = passes.discount[:, None]
    influence: Float64Array = (passes.slopes - passes.premia) * (1.0 - discount)
    influence[:, -passes.factors.shape[1] :] += passes.centred_factors * discount
    return influence


def misspecification_robust_influence(passes: TwoPass, debiased: bool = False) -> Float64Array:
    """Errors that hold where the model does not (Kan, Robotti and Shanken, 2013), (T, P)."""
    return correctly_specified_influence(passes) + influence_of_errors(passes, debiased)


def influence_of_errors(passes: TwoPass, debiased: bool) -> Float64Array:
    """What pricing errors that do not vanish add to the influence (T, P)."""
    u = passes.weighted_errors * passes.small_sample_scale(debiased)
    added = (passes.scaled_factors * u[:, None]) @ passes.bread[-passes.factors.shape[1] :]
    if passes.weighting == "gls":
        added -= (passes.slopes - passes.premia) * u[:, None]
    elif passes.weighting == "wls":
        share = passes.residuals**2 / passes.residual_variances * passes.pricing_errors
        # Centred: each share averages to the pricing error, on which A is zero.
        added -= share @ passes.projection.T
    return added


def two_pass_of(model: Any, what: str) -> tuple[TwoPass, IntArray]:
    """The two passes of a fitted model, and the places of its dates on the calendar.

    Raises ``ValueError`` if the model is not a two-pass one of complete data.
    """
    if not isinstance(model, BaseEstimator):
        raise ValueError(f"{what} needs a fitted FamaMacBeth; found a {type(model).__name__}.")
    check_is_fitted(model)
    fit = getattr(model, "_two_pass", None)
    if fit is None:
        inner = {"regressor_": "its regressor_", "best_estimator_": "its best_estimator_"}
        held = [advice for name, advice in inner.items() if hasattr(model, name)]
        held += ["its last step"] if hasattr(model, "steps") else []
        raise ValueError(
            f"{what} needs a FamaMacBeth fitted in wide form, y with one column an asset; found "
            f"{type(model).__name__}"
            + (f", which holds a model: pass {held[0]}." if held else " without a first pass.")
        )
    obstacle = model._obstacle_to("shanken")
    if obstacle:
        raise ValueError(f"{what} {obstacle}")
    passes: TwoPass = fit.passes
    n_assets, n_premia = passes.exposures.shape
    if n_assets <= n_premia:
        raise ValueError(
            f"{what} needs more assets than premia, or nothing is left to test; found {n_assets} "
            f"and {n_premia}."
        )
    return passes, calendar_positions(model._estimated.lambdas.index)

"""The influence of each date on the premia of two passes, and who has those.

Notation as in `skfactor._passes.two_pass`. Influence series are (T, P) with mean zero; premia vary
as their long-run variance over T.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.base import BaseEstimator

from skfactor._fitted import find_fitted, fitted_parts
from skfactor._kernels.unbalanced_influence import unbalanced_influence
from skfactor._passes.slopes import PremiaRecord
from skfactor._passes.two_pass import TwoPass, TwoPassFit
from skfactor._typing import Float64Array

INCOMPLETE = (
    "is for complete returns, and some are missing. Drop the assets or dates that miss some."
)


def correctly_specified_influence(passes: TwoPass) -> Float64Array:
    """Errors of slopes and betas where the model holds (Jagannathan and Wang, 1998), (T, P).

    The same as the generalized method of moments of Cochrane (2005, section 12.2).
    """
    kept = 1.0 - passes.discount[:, None]
    influence: Float64Array = (passes.slopes - passes.premia) * kept
    k = passes.factors.shape[1]
    influence[:, -k:] += passes.factor_influence - passes.unit_factors * kept
    return influence


def misspecification_robust_influence(passes: TwoPass, debiased: bool = False) -> Float64Array:
    """Errors that hold where the model does not (Kan, Robotti and Shanken, 2013), (T, P)."""
    return correctly_specified_influence(passes) + influence_of_errors(passes, debiased)


def influence_of_errors(passes: TwoPass, debiased: bool) -> Float64Array:
    """What pricing errors that do not vanish add to the influence (T, P)."""
    u = passes.weighted_errors * passes.small_sample_scale(debiased)
    added = (passes.exposure_factors * u[:, None]) @ passes.bread[-passes.factors.shape[1] :]
    if passes.weighting == "gls":
        added -= (passes.slopes - passes.premia) * u[:, None]
    elif passes.weighting == "wls":
        share = passes.residuals**2 / passes.residual_variances * passes.pricing_errors
        # Centred: each share averages to the pricing error, on which A is zero.
        added -= share @ passes.projection.T
    return added


def two_pass_influence(
    fit: TwoPassFit, slopes: Float64Array, misspecified: bool, debiased: bool
) -> Float64Array:
    """Influence (T, P) of each date on the average slopes, through slopes (T, P) and betas."""
    if not fit.is_complete:
        compute = partial(
            unbalanced_influence,
            fit.returns.to_numpy(),
            fit.factors.to_numpy(),
            fit.betas,
            slopes,
            zero_beta=fit.fit_intercept,
            misspecified=misspecified,
        )
    elif misspecified:
        compute = partial(misspecification_robust_influence, fit.passes, debiased)
    else:
        compute = partial(correctly_specified_influence, fit.passes)
    return fit.keep("krs" if misspecified else "gmm", debiased, compute)


def record_of(model: BaseEstimator, what: str) -> PremiaRecord:
    """What the fit of a model of premia has left, or of one inside a pipeline, search or formula.

    Raises ``TypeError`` if there is none.
    """
    needs = "a FamaMacBeth or another model of premia"
    find_fitted(model, "record_", what, needs)
    for part in fitted_parts(model):
        record = getattr(part, "record_", None)
        if isinstance(record, PremiaRecord):
            return record
    raise TypeError(f"{what} needs {needs}; found a {type(model).__name__}.")


def two_pass_record_of(model: BaseEstimator, what: str) -> tuple[PremiaRecord, TwoPassFit]:
    """`record_of` and its two passes; ``ValueError`` if the model has none."""
    record = record_of(model, what)
    if record.two_pass is None:
        raise ValueError(
            f"{what} needs a FamaMacBeth fitted in wide form, y with one column per asset; found "
            f"{type(model).__name__} without a first pass."
        )
    return record, record.two_pass


def obstacle_of_two_passes(record: PremiaRecord) -> str:
    """Why errors for estimated betas do not hold, whatever their kind; empty if they do."""
    if record.two_pass is None:
        return (
            "needs betas estimated by the model itself; here the exposures are given. Pass y "
            "with one column per asset to have them estimated."
        )
    if not record.is_even:
        return "is for averages of all dates, without premia_window or premia_halflife."
    if record.two_pass.obstacle:
        return record.two_pass.obstacle
    unknown = np.isnan(record.slopes.lambdas.to_numpy())
    if unknown.any():
        missing = record.slopes.dates[unknown.any(axis=1)]
        named = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        return (
            f"needs premia on every date, and those of {len(missing)} are missing: {named}. Drop "
            "these dates."
        )
    return ""


def two_pass_of(model: BaseEstimator, what: str) -> tuple[PremiaRecord, TwoPass]:
    """The record of a fitted model and its two passes; ``ValueError`` unless data are complete."""
    record, fit = two_pass_record_of(model, what)
    obstacle = obstacle_of_two_passes(record) or ("" if fit.is_complete else INCOMPLETE)
    if obstacle:
        raise ValueError(f"{what} {obstacle}")
    n_assets, n_premia = len(fit.betas), len(record.premia)
    if n_assets <= n_premia:
        raise ValueError(
            f"{what} needs more assets than premia, or nothing is left to test; found {n_assets} "
            f"and {n_premia}."
        )
    return record, fit.passes

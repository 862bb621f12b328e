"""From a fitted model to its premia's covariance: which kinds hold for it, and what to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skfactor._dates import calendar_positions
from skfactor.inference import PremiaInference
from skfactor.inference._covariance import COVARIANCES, PremiaSample, choose_long_run

if TYPE_CHECKING:
    from skfactor.linear_model._fama_macbeth import FamaMacBeth


def infer_premia(
    model: FamaMacBeth,
    covariance: str,
    *,
    kernel: str | None,
    bandwidth: float | str | None,
    debiased: bool,
) -> PremiaInference:
    """See `FamaMacBeth.inference`."""
    obstacle = _obstacle_to_two_pass(model)
    notes = []
    kind = covariance
    if covariance == "auto":
        kind = "fama-macbeth" if obstacle else "shanken"
    elif covariance not in COVARIANCES:
        raise ValueError(
            f"covariance={covariance!r} is unknown; it is 'auto' or one of {list(COVARIANCES)}."
        )
    elif covariance != "fama-macbeth" and obstacle:
        raise ValueError(f"covariance={covariance!r} {obstacle} Use 'fama-macbeth'.")
    if kind == "fama-macbeth":
        notes.append("Exposures taken as known: their estimation adds no error.")
        if model._is_wide and covariance == "auto":
            notes.append(f"Errors for estimated betas do not hold here: shanken {obstacle}")
    sample = _sample(model)
    n_dates = len(sample.lambdas)
    if n_dates < 2:
        raise ValueError(
            "Errors come from the variation over dates, and the premia rest on one date. Fit on "
            "several dates."
        )
    long_run = choose_long_run(sample, kernel, bandwidth)
    cov = COVARIANCES[kind](sample, long_run)
    df = np.inf
    if kind == "fama-macbeth":
        df = sample.n_effective - 1.0
    if debiased:
        used = 1 if kind == "fama-macbeth" else model.n_features_in_ + 1
        if sample.n_effective <= used:
            raise ValueError(
                f"debiased=True divides by the number of dates minus {used}, and there are "
                f"{sample.n_effective:g}. Pass debiased=False, or more dates."
            )
        cov = cov * (sample.n_effective / (sample.n_effective - used))
    labels = model.premia_.index
    return PremiaInference(
        premia=model.premia_.copy(),
        cov=pd.DataFrame(cov, index=labels, columns=labels),
        df=float(df),
        covariance=kind,
        kernel=long_run.kernel,
        bandwidth=long_run.bandwidth,
        description=_describe(model, n_dates),
        notes=tuple(notes),
    )


def _obstacle_to_two_pass(model: FamaMacBeth) -> str:
    """Why errors for estimated betas do not hold for a model; empty if they do."""
    if not model._is_wide:
        return (
            "needs betas estimated by the model itself; here the exposures are given. Pass y with "
            "one column an asset to have them estimated."
        )
    if model.premia_window is not None or model.premia_halflife is not None:
        return "is for premia averaged over all dates, without premia_window or premia_halflife."
    if not getattr(model.first_pass_, "fit_intercept", False):
        return "is for betas estimated with an intercept in the first pass."
    if model._has_gaps:
        return "is for complete data, and some returns or factors are missing."
    if model.lambdas_.isna().to_numpy().any():
        return "is for premia of all dates, and some could not be estimated."
    return ""


def _sample(model: FamaMacBeth) -> PremiaSample:
    estimated = model._average > 0.0
    weights = model._average[estimated]
    return PremiaSample(
        lambdas=model.lambdas_.to_numpy()[estimated],
        weights=weights,
        positions=calendar_positions(model.dates_)[estimated],
        is_const=np.arange(len(model.premia_)) < model.fit_intercept,
        factors=model._factors.to_numpy()[estimated] if model._is_wide else None,
    )


def _describe(model: FamaMacBeth, n_used: int) -> dict[str, str]:
    dates, sections = model.dates_, model.cross_sections_
    counted = sections["n_assets"][model.lambdas_.notna().all(axis=1)]
    span = "" if isinstance(dates, pd.RangeIndex) else f"{_short(dates[0])} to {_short(dates[-1])}"
    facts = {
        "Form:": "wide, two-pass" if model._is_wide else "panel, exposures given",
        "Dates used:": str(n_used) if n_used == len(dates) else f"{n_used} of {len(dates)}",
        "Span:": span,
        "Assets a date:": f"{counted.mean():.1f}",
        "Average R2:": f"{sections['r2'].mean():.4f}",
    }
    if model._is_wide:
        facts["Assets:"] = str(len(model.betas_))
    return facts


def _short(date: object) -> str:
    """A date without a time of day that says nothing."""
    return str(date).removesuffix(" 00:00:00")

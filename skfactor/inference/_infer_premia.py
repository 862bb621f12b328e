"""From a sample of slopes to premia with a covariance matrix, or to why that kind does not hold."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skfactor.inference._covariance import COVARIANCES, PremiaSample, choose_long_run
from skfactor.inference._premia import PremiaInference


def infer_premia(
    premia: pd.Series,
    sample: PremiaSample,
    covariance: str,
    *,
    obstacle: str,
    is_two_pass: bool,
    kernel: str | None,
    bandwidth: float | str | None,
    debiased: bool,
    description: dict[str, str],
) -> PremiaInference:
    """Inference for premia; see `skfactor.FamaMacBeth.inference`.

    ``obstacle`` says why errors for estimated betas do not hold, and is empty where they do.
    """
    if covariance not in ("auto", *COVARIANCES):
        raise ValueError(
            f"covariance={covariance!r} is unknown; it is 'auto' or one of {list(COVARIANCES)}."
        )
    if obstacle and covariance not in ("auto", "fama-macbeth"):
        raise ValueError(f"covariance={covariance!r} {obstacle} Use 'fama-macbeth'.")
    kind = covariance
    if covariance == "auto":
        kind = "fama-macbeth" if obstacle else "shanken"
    if len(sample.lambdas) < 2:
        raise ValueError(
            "Errors come from the variation over dates, and the premia rest on one date. Fit on "
            "several dates."
        )
    long_run = choose_long_run(sample, kernel, bandwidth)
    cov = COVARIANCES[kind](sample, long_run)
    if debiased:
        cov = cov * _degrees_of_freedom_factor(sample, kind)
    notes = []
    if kind == "fama-macbeth":
        notes.append("Exposures taken as known: their estimation adds no error.")
        if is_two_pass and covariance == "auto":
            notes.append(f"Errors for estimated betas do not hold here: shanken {obstacle}")
    labels = premia.index
    return PremiaInference(
        premia=premia.copy(),
        cov=pd.DataFrame(cov, index=labels, columns=labels),
        df=sample.n_effective - 1.0 if kind == "fama-macbeth" else np.inf,
        covariance=kind,
        kernel=long_run.kernel,
        bandwidth=long_run.bandwidth,
        description=description,
        notes=tuple(notes),
    )


def _degrees_of_freedom_factor(sample: PremiaSample, kind: str) -> float:
    """T / (T - 1) for the mean of given slopes, T / (T - K - 1) where betas were estimated too."""
    n_factors = int(np.count_nonzero(~sample.is_const))
    used = 1 if kind == "fama-macbeth" else n_factors + 1
    if sample.n_effective <= used:
        raise ValueError(
            f"debiased=True divides by the number of dates minus {used}, and there are "
            f"{sample.n_effective:g}. Pass debiased=False, or more dates."
        )
    return sample.n_effective / (sample.n_effective - used)

"""From a sample of slopes to premia with a covariance matrix, or to why that kind does not hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from skfactor._validation import check_flag
from skfactor.inference._covariance import COVARIANCES, PremiaSample, check_covariance
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import PremiaInference


def infer_premia(
    premia: pd.Series,
    sample: PremiaSample,
    covariance: str,
    *,
    obstacle: Callable[[str], str],
    is_two_pass: bool,
    long_run: LongRun,
    debiased: bool,
    describe: Callable[[], dict[str, str]],
    note: str,
) -> PremiaInference:
    """Inference for premia; see `skfactor.FamaMacBeth.inference`.

    ``obstacle`` says why a kind of covariance does not hold, and is empty where it does; ``note``
    what fama-macbeth errors leave out.
    """
    check_covariance(covariance)
    check_flag(debiased, "debiased")
    kind, found = covariance, obstacle("krs" if covariance == "auto" else covariance)
    if covariance == "auto":
        kind = "fama-macbeth" if found else "krs"
    elif found:
        instead = " or ".join(repr(kind) for kind in COVARIANCES if not obstacle(kind))
        raise ValueError(f"covariance={covariance!r} {found} Use {instead}.")
    if len(sample.lambdas) < 2:
        raise ValueError(
            "Errors come from the variation over dates, and the premia rest on one date. Fit on "
            "several dates."
        )
    cov, lags = COVARIANCES[kind](sample, long_run, debiased)
    notes = []
    if kind == "fama-macbeth":
        notes.append(note)
        if is_two_pass and covariance == "auto":
            notes.append(f"Errors for estimated betas do not hold here: krs {found}")
    labels = premia.index.view()  # its name may be set
    return PremiaInference(
        premia=premia.set_axis(labels),
        cov=pd.DataFrame(cov, index=labels, columns=labels),
        df=sample.n_effective - 1.0 if kind == "fama-macbeth" else np.inf,
        covariance=kind,
        kernel=long_run.kernel,
        bandwidth=lags,
        prewhitened=long_run.prewhiten,
        describe=describe,
        notes=tuple(notes),
    )

"""Covariances of premia: long-run variances of influence series, divided by their length.

A kind of uncertainty is an object, registered by its name: `infer` is the one way to it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import TypeAlias

import numpy as np
import pandas as pd

from skfactor._passes.slopes import PremiaRecord
from skfactor._passes.two_pass import TwoPassFit
from skfactor._typing import Float64Array
from skfactor._validation import check_flag, is_one_of, is_whole
from skfactor.inference._bootstrap import BootstrapCovariance
from skfactor.inference._clusters import (
    ClassicalCovariance,
    ClusterCovariance,
    DriscollKraayCovariance,
    HeteroskedasticityCovariance,
)
from skfactor.inference._covariance_kind import PremiaCovariance, debiasing, from_influence
from skfactor.inference._hodrick import HodrickCovariance
from skfactor.inference._long_run import NEWEY_WEST, LongRun, names_newey_west
from skfactor.inference._premia import PremiaInference
from skfactor.inference._two_pass import INCOMPLETE, obstacle_of_two_passes, two_pass_influence

# `PremiaCovariance.compute` of any kind, whatever its options.
Compute: TypeAlias = Callable[..., tuple[Float64Array, float, float]]


class FamaMacBethCovariance(PremiaCovariance):
    """Fama and MacBeth (1973): the time-series variation of the slopes."""

    name = "fama-macbeth"
    holds_for_prices = True

    def compute(
        self, record: PremiaRecord, long_run: LongRun, debiased: bool
    ) -> tuple[Float64Array, float, float]:
        influence = record.slope_influence
        used = 1 if record.influence is None else record.n_factors + 1
        matrix, lags = from_influence(influence, record, long_run, debiased, used=used)
        return matrix, lags, record.n_effective - 1.0

    def obstacle(self, record: PremiaRecord) -> str:
        if record.own_errors:
            return "takes exposures or portfolios as known, which are estimated here."
        if record.pooled is not None:
            return "is for averages of slopes by date, and a pooled regression has none."
        return ""

    def note(self, record: PremiaRecord) -> str:
        return record.note


class ThreePassCovariance(PremiaCovariance):
    """Giglio and Xiu (2021): premia of observed factors by their exposures to latent ones."""

    name = "giglio-xiu"

    def compute(
        self, record: PremiaRecord, long_run: LongRun, debiased: bool
    ) -> tuple[Float64Array, float, float]:
        influence, used = record.slope_influence, record.n_used
        return *from_influence(influence, record, long_run, debiased, used=used), np.inf

    def obstacle(self, record: PremiaRecord) -> str:
        if record.own_errors != self.name:
            return "is for ThreePassPremia, which has latent factors beside the observed ones."
        return ""

    def note(self, record: PremiaRecord) -> str:
        return record.note


class TwoPassCovariance(PremiaCovariance):
    """What the kinds for betas that the model itself estimated have in common."""

    holds_for_prices = True

    def obstacle(self, record: PremiaRecord) -> str:
        found = obstacle_of_two_passes(record)
        if found or record.two_pass is None or record.two_pass.is_complete:
            return found
        return self.obstacle_of_gaps(record.two_pass)

    def obstacle_of_gaps(self, fit: TwoPassFit) -> str:
        """Why the kind does not hold where returns are missing; empty if it does."""
        if fit.weighting != "ols":
            return "is for an OLS second pass where returns are missing."
        return ""


class InfluenceCovariance(TwoPassCovariance):
    """Long-run variance of the influence through slopes and betas, of correct models or of all."""

    def __init__(self, name: str, misspecified: bool) -> None:
        self.name = name  # type: ignore[misc]  # one class for two kinds
        self.misspecified = misspecified

    def compute(
        self, record: PremiaRecord, long_run: LongRun, debiased: bool
    ) -> tuple[Float64Array, float, float]:
        assert record.two_pass is not None
        influence = two_pass_influence(record.two_pass, record.lambdas, self.misspecified, debiased)
        used = record.n_factors + 1
        return *from_influence(influence, record, long_run, debiased, used=used), np.inf


class ShankenCovariance(TwoPassCovariance):
    """Shanken (1992), Theorem 2: estimated betas add c = premia' Vf^-1 premia of the residual part.

    The slopes' deviations split exactly into those of the factors and a residual part that is
    serially uncorrelated under the theorem; the kernel is for the factors.
    """

    name = "shanken"

    def compute(
        self, record: PremiaRecord, long_run: LongRun, debiased: bool
    ) -> tuple[Float64Array, float, float]:
        assert record.two_pass is not None
        passes, t = record.two_pass.passes, len(record.lambdas)
        residual = record.lambdas - record.premia.to_numpy()
        k = passes.factors.shape[1]
        residual[:, -k:] -= passes.unit_factors
        of_factors, lags = long_run.covariance(passes.factor_influence, record.positions)
        covariance = (1.0 + passes.errors_in_variables) * (residual.T @ residual / t)
        covariance[-k:, -k:] += of_factors
        debiased = debiased and not long_run.is_cosines
        return covariance / t * debiasing(record, debiased, k + 1), lags, np.inf

    def obstacle_of_gaps(self, fit: TwoPassFit) -> str:
        return INCOMPLETE


_KINDS: dict[str, PremiaCovariance] = {
    kind.name: kind
    for kind in (
        FamaMacBethCovariance(),
        ShankenCovariance(),
        InfluenceCovariance("gmm", misspecified=False),
        InfluenceCovariance("krs", misspecified=True),
        ThreePassCovariance(),
        BootstrapCovariance(),
        ClusterCovariance(),
        DriscollKraayCovariance(),
        HodrickCovariance(),
        HeteroskedasticityCovariance(),
        ClassicalCovariance(),
    )
}


def register_covariance(kind: PremiaCovariance) -> None:
    """Make a kind of covariance known by its name, to `inference`, summaries and tables.

    Parameters
    ----------
    kind : PremiaCovariance
        A kind with the name of one that was registered before takes its place, except for the
        package's own.

    Raises
    ------
    TypeError
        If it is not an object of a `PremiaCovariance`.
    ValueError
        If the name is "auto" or of one of the package's own kinds.

    Examples
    --------
    See `PremiaCovariance`; here a kind that is known already.

    >>> from skfactor.inference import PremiaCovariance, register_covariance
    >>> class Slopes(PremiaCovariance):
    ...     name = "fama-macbeth"
    ...
    ...     def compute(self, record, long_run, debiased):
    ...         raise NotImplementedError
    >>> register_covariance(Slopes())
    Traceback (most recent call last):
    ValueError: The name 'fama-macbeth' is taken. Give the kind another one.
    """
    if not isinstance(kind, PremiaCovariance):
        raise TypeError(f"kind has to be an object of a PremiaCovariance; found {kind!r}.")
    if kind.name in _OWN:
        raise ValueError(f"The name {kind.name!r} is taken. Give the kind another one.")
    _KINDS[kind.name] = kind


_OWN = frozenset(_KINDS) | {"auto"}


# What to type for the names that other programs have.
_CLASSICAL = " The ordinary errors of least squares are covariance='classical'."
_MEANT: dict[str, str] = {
    **dict.fromkeys(["nonrobust", "unadjusted", "ols", "iid", "homoskedastic"], _CLASSICAL),
    **dict.fromkeys(
        ["robust", "white", "heteroskedastic", "HC0", "HC1", "hc0"],
        " White's errors are covariance='hc1' (of a pooled regression), with debiased=False HC0.",
    ),
    **dict.fromkeys(
        ["clustered", "cluster-date", "twoway", "two-way"],
        " Clustered errors are covariance='cluster' with by=.",
    ),
}


def covariance_kind(name: object) -> PremiaCovariance:
    """The kind of this name; ``ValueError`` for what names none."""
    if not isinstance(name, str) or name not in _KINDS:
        raise ValueError(
            f"covariance={name!r} is unknown; it is 'auto' or one of {list(_KINDS)}."
            + (NEWEY_WEST if names_newey_west(name) else _MEANT.get(str(name), ""))
        )
    return _KINDS[name]


def obstacle_to(covariance: str, record: PremiaRecord) -> str:
    """Why a kind does not hold for a record; empty if it does."""
    return covariance_kind(covariance).obstacle(record)


def _choose(record: PremiaRecord, covariance: str) -> tuple[PremiaCovariance, list[str]]:
    """The kind to be used, and what a summary has to say of the choice."""
    if not is_one_of(covariance, ("auto",)):
        kind = covariance_kind(covariance)
        found = kind.obstacle(record)
        if found:
            held = " or ".join(repr(k.name) for k in _KINDS.values() if not k.obstacle(record))
            raise ValueError(f"covariance={covariance!r} {found} Use {held}.")
        notes = [kind.note(record)]
    elif record.pooled is not None:
        # Returns of one date share its shocks: rows of a panel are not independent.
        dated = not covariance_kind("driscoll-kraay").obstacle(record)
        kind = covariance_kind("cluster" if dated else "hc1")
        notes = [kind.note(record)]
    else:
        kind = covariance_kind(record.own_errors or "krs")
        found = kind.obstacle(record)
        if found:
            kind = covariance_kind("fama-macbeth")
        notes = [kind.note(record)]
        if found and record.two_pass is not None:
            notes.append(f"Errors for estimated betas do not hold here: krs {found}")
    return kind, [note for note in notes if note]


def infer(
    record: PremiaRecord,
    covariance: str = "auto",
    *,
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
    separate: bool = False,
    horizon: int | None = None,
    debiased: bool = True,
    options: Mapping[str, object] | None = None,
) -> PremiaInference:
    """Premia with errors; see `skfactor.FamaMacBeth.inference`."""
    options = {} if options is None else options
    if covariance == "auto" and options.get("one_period") is not None:
        covariance = HodrickCovariance.name
    if covariance == "auto" and record.pooled is not None and options.get("by") is not None:
        covariance = ClusterCovariance.name
    kind, notes = _choose(record, covariance)
    if kernel is None and horizon is None and kind.default_kernel is not None:
        kernel = kind.default_kernel
        bandwidth = kind.default_bandwidth if bandwidth is None else bandwidth
    if horizon is None or "horizon" in kind.options:
        long_run = LongRun(kernel, bandwidth, prewhiten, separate)
        options = options if horizon is None else {**options, "horizon": horizon}
    else:
        if not is_whole(horizon) or horizon < 1:
            raise ValueError(f"horizon={horizon!r} has to be a whole number of dates, at least 1.")
        given_too = {"bandwidth": bandwidth, "prewhiten": prewhiten, "separate": separate}
        extra = [name for name, value in given_too.items() if value is not None]
        for name in ("prewhiten", "separate"):
            check_flag(given_too[name], name)
            if not given_too[name]:
                extra.remove(name)
        if extra:
            raise ValueError(f"horizon={horizon} chooses how lags count. Leave {extra} out.")
        long_run = LongRun.of_horizon(kernel, horizon, len(record.lambdas))
        notes.append(f"Returns span {horizon} dates and overlap.")
    check_flag(debiased, "debiased")
    unknown = [name for name in options if name not in kind.options]
    if unknown:
        taken = f"only {list(kind.options)}" if kind.options else "none of its own"
        raise TypeError(f"covariance={kind.name!r} has no option {unknown}; it takes {taken}.")
    if kind.needs_dates and len(record.lambdas) < 2:
        raise ValueError(
            "Errors come from the variation over dates, and the premia rest on one date. Fit on "
            "several dates."
        )
    whole = kind.infer(record, long_run, debiased, tuple(notes), **options)
    if whole is not None:
        return whole
    kind_compute: Compute = kind.compute
    given = partial(kind_compute, long_run=long_run, debiased=debiased, **options)

    def compute(record: PremiaRecord) -> tuple[Float64Array, float, float]:
        matrix, lags, df = given(record)
        return matrix, lags, lags if long_run.is_cosines else df

    labels = record.premia.index.view()  # its name may be set
    df: float | pd.Series
    if record.has_gaps:
        matrix, lags, free = _by_common_dates(record, compute)
        df = pd.Series(free, index=labels, name="df")
        notes.append("Premia, and each pair of them, have their own dates.")
    else:
        matrix, lags, df = compute(record)

    def on_common_dates(names: list[Hashable]) -> PremiaInference:
        return infer(
            record.only(names),
            kind.name,
            kernel=kernel,
            bandwidth=bandwidth,
            prewhiten=prewhiten,
            separate=separate,
            horizon=horizon,
            debiased=debiased,
            options=options,
        )

    return PremiaInference(
        premia=record.premia.set_axis(labels),
        cov=pd.DataFrame(matrix, index=labels, columns=labels),
        df=df,
        covariance=kind.name,
        detail=kind.detail(record, **options),
        kernel=long_run.kernel,
        bandwidth=lags,
        prewhitened=long_run.prewhiten,
        describe=record.describe,
        notes=tuple(notes),
        n_dates=len(record.lambdas),
        is_hotelling=kind.is_hotelling or long_run.is_cosines,
        on_common_dates=on_common_dates if record.has_gaps else None,
    )


def _by_common_dates(
    record: PremiaRecord, compute: Compute
) -> tuple[Float64Array, float, Float64Array]:
    """Covariances (P, P) over the dates of each pair, the most lags, degrees of freedom (P,).

    Slopes that are there on the same dates are taken together.
    """
    known = np.isfinite(record.lambdas)
    patterns, which = np.unique(known, axis=1, return_inverse=True)
    which = which.reshape(-1)
    n_groups, names = patterns.shape[1], record.premia.index
    matrix, free, most = np.full((len(names), len(names)), np.nan), np.full(len(names), np.nan), 0.0
    for g in range(n_groups):
        for h in range(g, n_groups):
            places = np.flatnonzero((which == g) | (which == h))
            if np.count_nonzero(patterns[:, g] & patterns[:, h]) < 2:
                continue
            block, lags, df = compute(record.only(names[places]))
            in_g, in_h = np.flatnonzero(which == g), np.flatnonzero(which == h)
            part = block[np.ix_(which[places] == g, which[places] == h)]
            matrix[np.ix_(in_g, in_h)], matrix[np.ix_(in_h, in_g)] = part, part.T
            if g == h:
                free[in_g], most = df, max(most, lags)
    return matrix, most, free

"""How often tests reject a true hypothesis, and a false one, at a nominal 5 percent.

``python benchmarks/rejections.py FILE [--minutes M] [--draws D]`` simulates for M minutes, design
by design in blocks of draws, and adds what it counts to FILE; the same command goes on where the
last one stopped, up to D draws a design, of which designs with many dates or large premia get
fewer. ``--table`` prints what FILE has, and which cells that should be right are not.

Tests by a bootstrap get 19 draws, of which the observed statistic is to be the largest: that has
the size of more draws, and less power.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from skfactor import FamaMacBeth, LinearFactorGMM, PooledRegression, TradedFactorModel
from skfactor.exceptions import SmallSampleWarning
from skfactor.inference import (
    PremiaInference,
    alpha_test,
    compare_r2,
    compare_sharpe,
    cross_sectional_r2,
    grs_test,
    hj_distance,
    identification_robust_set,
    j_test,
    rank_test,
    shanken_test,
    spanning_test,
)

LEVEL, BLOCK = 0.05, 25
DATES, ASSETS = (60, 120, 240, 600), (10, 25)
AUTOCORRELATION = 0.5
FACTOR_SD = 0.045
PREMIA = np.array([0.005, 0.003, 0.002])
# What false hypotheses are off by: premia in standard deviations of their factors, and pricing
# errors by the squared Sharpe ratio of the best portfolio of the residuals.
PREMIUM_OFF, SHARPE_OFF = 0.2, 0.15
WILD = {"small_sample": "wild", "n_draws": 19}
SIEVE = {**WILD, "kernel": "bartlett"}
KINDS: dict[str, dict[str, object]] = {
    "krs": {},
    "krs, ewc": {"kernel": "ewc"},
    "krs, bartlett": {"kernel": "bartlett"},
    "krs, bartlett, separate, prewhitened": {
        "kernel": "bartlett",
        "separate": True,
        "prewhiten": True,
    },
    "krs, hansen-hodrick of 2 lags": {"kernel": "hansen-hodrick", "bandwidth": 2},
    "gmm": {"covariance": "gmm"},
    "shanken": {"covariance": "shanken"},
    "fama-macbeth": {"covariance": "fama-macbeth"},
}
# Row, share of true hypotheses rejected, share of false ones rejected.
Found = Iterator[tuple[str, float, float]]


class Design(NamedTuple):
    """Dates, assets, distribution, and premia' Vf^-1 premia."""

    dates: int
    assets: int
    law: str  # "normal", "t(5)" or "ar(.5)"
    sharpe: float


DESIGNS = [
    Design(t, n, law, sharpe)
    for t in DATES
    for n in ASSETS
    for law, sharpe in (
        ("normal", 0.05),
        ("t(5)", 0.05),
        ("ar(.5)", 0.05),
        ("normal", 0.15),
        ("t(5)", 0.15),
    )
]


@dataclass(frozen=True)
class Sample:
    """One history of three traded factors and of assets that they price."""

    design: Design
    number: int

    def rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([DESIGNS.index(self.design), self.number, purpose])

    @cached_property
    def betas(self) -> np.ndarray:
        """Betas (N, 3), the same in all histories."""
        return np.random.default_rng(self.design.assets).normal(1.0, 0.4, (self.design.assets, 3))

    @cached_property
    def root(self) -> np.ndarray:
        """Root (N, N) of the residuals' covariance, the same in all histories."""
        n = self.design.assets
        noise = np.random.default_rng(n + 1).normal(size=(n, n))
        return 0.02 * (np.eye(n) + 0.3 * noise / np.sqrt(n))

    @cached_property
    def premia(self) -> np.ndarray:
        direction = PREMIA / np.sqrt(PREMIA @ PREMIA)
        return direction * np.sqrt(self.design.sharpe) * FACTOR_SD

    @cached_property
    def scale(self) -> np.ndarray:
        """What shocks (T, 1) of a date are multiplied by: all factors and residuals alike."""
        if self.design.law != "t(5)":
            return np.ones((self.design.dates, 1))
        return np.sqrt(3.0 / self.rng(0).chisquare(5, size=(self.design.dates, 1)))

    def shocks(self, n: int, purpose: int) -> np.ndarray:
        """Series (T, n) with mean 0 and variance 1."""
        values = self.rng(purpose).normal(size=(self.design.dates, n)) * self.scale
        if self.design.law == "ar(.5)":
            for t in range(1, len(values)):
                values[t] *= np.sqrt(1.0 - AUTOCORRELATION**2)
                values[t] += AUTOCORRELATION * values[t - 1]
        return values

    @cached_property
    def factors(self) -> np.ndarray:
        return self.premia + FACTOR_SD * self.shocks(3, 1)

    @cached_property
    def residuals(self) -> np.ndarray:
        return self.shocks(self.design.assets, 2) @ self.root.T

    @cached_property
    def returns(self) -> np.ndarray:
        return self.factors @ self.betas.T + self.residuals

    @cached_property
    def alphas(self) -> np.ndarray:
        """Pricing errors (N,) that no premia of the betas, or zero-beta rate, explain."""
        x = np.column_stack([np.ones(len(self.betas)), self.betas])
        errors = np.random.default_rng(2).normal(size=len(x))
        errors -= x @ np.linalg.lstsq(x, errors, rcond=None)[0]
        whitened = np.linalg.solve(self.root, errors)
        return errors * np.sqrt(SHARPE_OFF / (whitened @ whitened))

    @property
    def also_false(self) -> bool:
        """Whether false hypotheses are tested too, where that takes another fit."""
        return self.number % 4 == 0

    @cached_property
    def both(self) -> list[np.ndarray]:
        """Returns under the hypothesis that the model holds, and where it is not true."""
        return [self.returns, self.returns + self.alphas][: 1 + self.also_false]

    @cached_property
    def models(self) -> list[FamaMacBeth]:
        return [FamaMacBeth().fit(self.factors, returns) for returns in self.both]


def rejects(p_value: float) -> float:
    return float(p_value <= LEVEL)


def of_both(sample: Sample, row: str, test: Callable[[int], float]) -> Found:
    """A test, by its p-value, of returns that the model prices and of those it does not."""
    found = [rejects(test(i)) for i in range(len(sample.both))]
    yield row, found[0], found[1] if len(found) > 1 else np.nan


def of_premia(row: str, found: PremiaInference, truth: np.ndarray) -> Found:
    """Tests that premia are the true ones, and that they are others: by the intervals."""
    yield f"premia, t: {row}", *outside_of(found.conf_int(1.0 - LEVEL), truth)


def outside_of(intervals: pd.DataFrame, truth: np.ndarray) -> list[float]:
    """Shares of true and of false premia that intervals of premia, the last ones, do not hold."""
    low, high = intervals.to_numpy()[-len(truth) :].T
    values = (truth, truth + PREMIUM_OFF * FACTOR_SD)
    return [float(((value < low) | (value > high)).mean()) for value in values]


def premia(sample: Sample) -> Found:
    model, truth = sample.models[0], sample.premia
    for name, options in KINDS.items():
        found = model.inference(**options)
        yield from of_premia(name, found, truth)
        if name in ("krs", "krs, ewc", "fama-macbeth"):
            values = [np.append(0.0, truth + off) for off in (0.0, PREMIUM_OFF * FACTOR_SD)]
            shifted = [replace(found, premia=found.premia - value) for value in values]
            joint = [rejects(each.wald_test().p_value) for each in shifted]
            yield f"premia, joint: {name}", *joint
    traded = TradedFactorModel().fit(sample.factors, sample.returns)
    for name, options in (("", {}), (", ewc", {"kernel": "ewc"})):
        yield from of_premia(f"TradedFactorModel{name}", traded.inference(**options), truth)


def pricing(sample: Sample) -> Found:
    f, models, both = sample.factors, sample.models, sample.both
    yield from of_both(sample, "j_test", lambda i: j_test(models[i]).p_value)
    yield from of_both(sample, "shanken_test", lambda i: shanken_test(models[i]).p_value)
    yield from of_both(sample, "R2 = 1, OLS", lambda i: cross_sectional_r2(models[i]).one.p_value)
    gls = [FamaMacBeth(weighting="gls").fit(f, returns) for returns in both]
    yield from of_both(sample, "R2 = 1, GLS", lambda i: cross_sectional_r2(gls[i]).one.p_value)
    yield from of_both(sample, "hj_distance", lambda i: hj_distance(f, both[i]).p_value)


def traded(sample: Sample) -> Found:
    f, both = sample.factors, sample.both
    yield from of_both(sample, "grs_test", lambda i: grs_test(f, both[i]).p_value)
    robust = {"covariance": "robust"}
    yield from of_both(sample, "grs_test, robust", lambda i: grs_test(f, both[i], **robust).p_value)
    yield from of_both(sample, "alpha_test", lambda i: alpha_test(f, both[i], n_draws=19).p_value)
    new = sample.residuals + f @ np.roll(np.eye(3), 1, axis=0)[np.arange(len(sample.betas)) % 3].T
    off = sample.alphas
    forms = {"": {"n_draws": 19}, ", homoskedastic": {"covariance": "homoskedastic"}}
    for name, options in forms.items():
        found = [spanning_test(f, new + i * off, **options) for i in range(len(both))]
        for step in ("joint", "alphas", "betas"):
            row = f"spanning_test{name}: {step}"
            yield from of_both(sample, row, lambda i, f=found, s=step: getattr(f[i], s).p_value)
    # Two factors that are worth the same beside the first, and one that adds nothing.
    same = f + np.array([0.0, 0.0, sample.premia[1] - sample.premia[2]])
    none = f - np.array([0.0, 0.0, sample.premia[2]])
    one, other = (rejects(compare_sharpe(f[:, :2], g[:, ::2]).p_value) for g in (same, none))
    yield "compare_sharpe", one, other
    nested = [rejects(compare_sharpe(f[:, :2], g).p_value) for g in (none, same)]
    yield "compare_sharpe, nested", *nested


def drawn(sample: Sample) -> Found:
    """What is judged by a bootstrap."""
    f, models, both = sample.factors, sample.models, sample.both
    robust = {"covariance": "robust"}
    forms = {"wild": WILD}
    if sample.design.law == "ar(.5)":
        forms["sieve"] = SIEVE
    for name, form in forms.items():
        yield from of_both(
            sample, f"j_test, {name}", lambda i, o=form: j_test(models[i], **o).p_value
        )
        yield from of_both(
            sample,
            f"grs_test, {name}",
            lambda i, o=form: grs_test(f, both[i], **robust, **o).p_value,
        )
        yield from of_both(
            sample, f"hj_distance, {name}", lambda i, o=form: hj_distance(f, both[i], **o).p_value
        )
    # Up to the largest of the draws.
    intervals = models[0].inference("bootstrap", n_draws=19).conf_int(1.0 - 1e-9)
    yield "premia, t: bootstrap", *outside_of(intervals, sample.premia)


def weak(sample: Sample) -> Found:
    """Factors that are not there, in place of the third one."""
    f, both = sample.factors, sample.both
    useless = f.copy()
    useless[:, 2] = FACTOR_SD * sample.shocks(1, 3)[:, 0]
    ranks = [rejects(rank_test(g, both[0], n_draws=19).p_value) for g in (useless, f)]
    yield "rank_test", *ranks
    priced = both[0] - sample.premia[2] * sample.betas[:, 2]  # by the first two
    for row, returns in (("correct", priced), ("misspecified", both[0] + 0.5 * sample.alphas)):
        p_value = FamaMacBeth().fit(useless, returns).inference().p_values.iloc[-1]
        yield f"premia, t: krs, useless factor, {row} model", rejects(p_value), np.nan
    near = identification_robust_set(f[:, :2], priced, target="ex ante")
    truth = sample.premia[:2]
    yield (
        "identification_robust_set",
        rejects(near.test(truth).p_value),
        rejects(near.test(truth + PREMIUM_OFF * FACTOR_SD).p_value),
    )


def comparisons(sample: Sample) -> Found:
    """Models of two factors where the first alone is priced, and where the others are."""
    f, found = sample.factors, {}
    alone = sample.returns - sample.betas[:, 1:] @ sample.premia[1:]
    for returns in [alone, sample.returns][: 1 + sample.also_false]:
        one, two, three = (FamaMacBeth().fit(f[:, w], returns) for w in ([0], [0, 1], [0, 2]))
        for row, pair in (("compare_r2", (two, three)), ("compare_r2, nested", (one, two))):
            found.setdefault(row, []).append(rejects(compare_r2(*pair).p_value))
    for row, shares in found.items():
        yield row, shares[0], shares[1] if len(shares) > 1 else np.nan


def gmm(sample: Sample) -> Found:
    models = [LinearFactorGMM().fit(sample.factors, returns) for returns in sample.both]
    yield from of_both(sample, "LinearFactorGMM: J", lambda i: models[i].j_test().p_value)
    yield from of_premia("LinearFactorGMM", models[0].inference(), sample.premia)


def panels(sample: Sample) -> Found:
    """A characteristic with a premium that changes from date to date, and persistent assets."""
    t, n = sample.design.dates, sample.design.assets
    rng = sample.rng(4)
    x = np.sqrt(0.5) * rng.normal(size=(1, n)) + np.sqrt(0.5) * rng.normal(size=(t, n))
    slopes = 0.01 + FACTOR_SD * sample.shocks(1, 5)
    y = slopes * x + 0.02 * sample.shocks(1, 6) + sample.residuals
    index = pd.MultiIndex.from_product([np.arange(t), np.arange(n)], names=["date", "asset"])
    frame = pd.DataFrame({"x": x.ravel()}, index=index)
    returns = pd.Series(y.ravel(), index=index)
    truth, model = np.array([0.01]), FamaMacBeth().fit(frame, returns)
    for row, kernel in (("panel", None), ("panel, ewc", "ewc"), ("panel, bartlett", "bartlett")):
        yield from of_premia(row, model.inference(kernel=kernel), truth)
    pooled = PooledRegression().fit(frame, returns)
    for by in ("date", "asset", ("asset", "date")):
        name = by if isinstance(by, str) else " and ".join(by)
        row = f"PooledRegression, by {name}"
        yield from of_premia(row, pooled.inference("cluster", by=by), truth)
    row = "PooledRegression, driscoll-kraay"
    yield from of_premia(row, pooled.inference("driscoll-kraay"), truth)


class Group(NamedTuple):
    """Tests that share fits, how many histories they get at most, and for which designs."""

    tests: Callable[[Sample], Found]
    most: int
    sharpes: tuple[float, ...] = (0.05, 0.15)
    fewest_dates: int = 0

    def takes(self, sample: Sample) -> bool:
        design = sample.design
        return (
            sample.number < self.most
            and design.sharpe in self.sharpes
            and design.dates >= self.fewest_dates
        )


GROUPS = (
    Group(premia, 2_000),
    Group(pricing, 2_000),
    Group(traded, 2_000),
    Group(drawn, 1_000),
    Group(weak, 500, (0.05,)),
    Group(comparisons, 200, (0.05,)),
    Group(gmm, 200, (0.05,), fewest_dates=120),
    Group(panels, 500, (0.05,)),
)
KEYS = ["row", *Design._fields]
COUNTS = ["draws", "rejected", "false", "rejected_false", "warned"]


def count(design: Design, numbers: range) -> pd.DataFrame:
    """Rejections and warnings by row, of some histories of a design."""
    found: dict[str, np.ndarray] = {}
    for number in numbers:
        sample = Sample(design, number)
        for group in GROUPS:
            if not group.takes(sample):
                continue
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                for row, true, false in group.tests(sample):
                    warned = any(w.category is SmallSampleWarning for w in caught)
                    caught.clear()
                    also = float(np.isfinite(false))
                    values = [1.0, true, also, np.nan_to_num(false), float(warned)]
                    found[row] = found.get(row, 0.0) + np.array(values)
    rows = [(row, *design, *values) for row, values in found.items()]
    return pd.DataFrame(rows, columns=KEYS + COUNTS)


def simulate(file: Path, minutes: float, most: int) -> None:
    """Add to the counts of a file for some minutes."""
    end = time.monotonic() + 60.0 * minutes
    done = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=KEYS + COUNTS)
    for start in range(0, most, BLOCK):
        for design in DESIGNS:
            # With many dates sizes are hardly in doubt, and fits take longer.
            last = most * min(120, design.dates) // design.dates
            if design.sharpe > DESIGNS[0].sharpe:
                last //= 2
            mine = (done[list(Design._fields)] == list(design)).all(axis=1)
            if start >= last or done.loc[mine, "draws"].max() >= start + BLOCK:
                continue
            if time.monotonic() > end:
                return
            new = count(design, range(start, start + BLOCK))
            done = pd.concat([done, new]) if len(done) else new
            done = done.groupby(KEYS, sort=False, as_index=False)[COUNTS].sum()
            done.to_csv(file, index=False)
            print(*design, start + BLOCK, f"{end - time.monotonic():.0f} s left", flush=True)


# Rows that are defaults, or what is recommended, which are to reject 3.5 to 7 percent of true
# hypotheses, within simulation error; the others are shown. With autocorrelation there are fewer.
HELD = (
    "premia, t: krs",
    "premia, joint: krs",
    "premia, t: krs, ewc",
    "premia, joint: krs, ewc",
    "premia, t: bootstrap",
    "premia, t: fama-macbeth",
    "premia, t: TradedFactorModel",
    "premia, t: LinearFactorGMM",
    "premia, t: panel",
    "premia, t: panel, ewc",
    "premia, t: PooledRegression, by date",
    "j_test",
    "j_test, wild",
    "shanken_test",
    "R2 = 1, OLS",
    "R2 = 1, GLS",
    "hj_distance",
    "hj_distance, wild",
    "LinearFactorGMM: J",
    "grs_test",
    "grs_test, robust",
    "grs_test, wild",
    "alpha_test",
    "spanning_test: joint",
    "spanning_test: alphas",
    "spanning_test: betas",
    "compare_sharpe",
    "compare_sharpe, nested",
    "rank_test",
    "identification_robust_set",
)
HELD_WITH_AUTOCORRELATION = (
    "premia, t: krs, ewc",
    "premia, joint: krs, ewc",
    "premia, t: TradedFactorModel, ewc",
    "premia, t: panel, ewc",
    "grs_test, sieve",
    "j_test, sieve",
    "hj_distance, sieve",
)


def table(counts: pd.DataFrame, serial: bool) -> pd.DataFrame:
    """Percent of true hypotheses rejected: smallest and largest of the laws and Sharpe ratios.

    A star is behind those of samples most of which warn. Rows that are held come first; last is the
    percent of false hypotheses that are rejected in samples of 120 dates, normal or autocorrelated.
    """
    chosen = counts[(counts["law"] == "ar(.5)") == serial]
    held = HELD_WITH_AUTOCORRELATION if serial else HELD
    rows = [*held, *(row for row in chosen["row"].unique() if row not in held)]
    cells = pd.DataFrame(index=pd.Index(rows, name="test"))
    for t in DATES:
        for n in ASSETS:
            of_size = chosen[(chosen["dates"] == t) & (chosen["assets"] == n)]
            cells[f"{t} x {n}"] = [_cell(of_size[of_size["row"] == row]) for row in rows]
    for n in ASSETS:
        first = chosen[(chosen["assets"] == n) & (chosen["dates"] == 120)].groupby("row").first()
        power = 100.0 * first["rejected_false"] / first["false"]
        cells[f"power, 120 x {n}"] = power.map("{:.0f}".format).reindex(rows).fillna("")
    return cells.replace("nan", "")


def _cell(found: pd.DataFrame) -> str:
    percent, stars = (
        100.0 * found["rejected"] / found["draws"],
        found["warned"] > found["draws"] / 2,
    )
    said = []
    for rates, star in ((percent[~stars], ""), (percent[stars], "*")):
        ends = sorted({f"{rates.min():.1f}", f"{rates.max():.1f}"}, key=float) if len(rates) else []
        if ends:
            said.append("-".join(ends) + star)
    return ", ".join(said)


def markdown(cells: pd.DataFrame) -> str:
    lines = [[cells.index.name, *cells.columns], ["---"] * (1 + len(cells.columns))]
    lines += [
        [str(row), *values] for row, values in zip(cells.index, cells.to_numpy(), strict=True)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def outside(counts: pd.DataFrame) -> pd.DataFrame:
    """Cells that are held and do not warn, with rates out of 2.7 to 8.1 percent."""
    serial = counts["law"] == "ar(.5)"
    held = np.where(serial, counts["row"].isin(HELD_WITH_AUTOCORRELATION), counts["row"].isin(HELD))
    # Tests of all pricing errors that estimate premia too need more dates then.
    few = serial & (counts["dates"] < 120) & counts["row"].str.startswith(("j_test", "hj_"))
    found = counts[held & ~few & (counts["warned"] <= counts["draws"] / 2)].copy()
    found["percent"] = 100.0 * found["rejected"] / found["draws"]
    most = np.where(found["row"].isin(("j_test, sieve", "hj_distance, sieve")), 9.0, 8.1)
    return found[(found["percent"] < 2.7) | (found["percent"] > most)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--draws", type=int, default=2_000)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if not given.table:
        simulate(given.file, given.minutes, given.draws)
        return
    counts = pd.read_csv(given.file)
    for serial in (False, True):
        print(markdown(table(counts, serial)), end="\n\n")
    print(outside(counts).to_string(index=False))


if __name__ == "__main__":
    main()

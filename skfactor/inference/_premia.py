"""Frozen results: premia with their covariance, and a test."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable
from statsmodels.iolib.tableformatting import fmt_2cols, fmt_params

from skfactor._definite import quadratic_form
from skfactor._results import Result, p_value_is, p_value_text
from skfactor._typing import Float64Array
from skfactor._validation import check_level, check_significance
from skfactor.inference._adjusted import AdjustedTests, adjust, check_method, t_hurdles

# statsmodels' layout of label and value pairs, without the dashes it puts between them.
FACTS = {**fmt_2cols, "data_fmts": ["%18s", "%18s"], "stub_fmt": "%s"}
# Columns of intervals.
_BOUNDS = pd.Index(["lower", "upper"])
# Titles of summaries, by the name of the estimates.
_TITLES = {
    "premium": "Risk premia",
    "alpha": "Alphas",
    "price": "Prices of covariance risk",
}


def raise_if_few_cosines(n_restrictions: int, n_cosines: float) -> None:
    """Raise where a joint test by cosines has hardly any power, or no distribution."""
    if n_restrictions > n_cosines / 2.0:
        raise ValueError(
            f"A joint test of {n_restrictions} restrictions by kernel='ewc' needs at least "
            f"{2 * n_restrictions} cosines, and there are {n_cosines:g}. Test fewer, use more "
            f"dates, or pass bandwidth={2 * n_restrictions} to allow for less serial dependence."
        )


class TablesSummary(Summary):  # type: ignore[misc]  # statsmodels is untyped
    """A summary whose HTML has tables of its own: statsmodels does not escape names there."""

    html_tables: list[SimpleTable]

    def as_text(self) -> str:
        """The tables and notes as text, with rules as wide as the widest table."""
        head, *lines = str(super().as_text()).splitlines()
        rules = [i for i, line in enumerate(lines) if set(line) in ({"="}, {"-"})]
        width = max(len(line.rstrip()) for line in lines[: rules[-1] + 1])
        for i in rules:
            lines[i] = lines[i][0] * width
        return "\n".join([head.strip().center(width).rstrip(), *lines])

    def as_latex(self) -> str:
        """LaTeX of the tables one below the other, where statsmodels would merge their columns."""
        parts = [table.as_latex_tabular() for table in self.tables]
        if self.extra_txt:
            parts.append(self.extra_txt.replace("\n", " \\newline\n "))
        return "\n\n".join(parts)

    def as_html(self) -> str:
        """HTML of the tables and the notes."""
        twin = Summary()
        twin.tables, twin.extra_txt = self.html_tables, self.extra_txt
        return str(twin.as_html())


@dataclass(frozen=True, repr=False)
class TestResult(Result):
    """A test statistic with its distribution under the null hypothesis.

    Attributes
    ----------
    statistic : float
        The test statistic.
    p_value : float
        Probability under the null of a statistic at least as large.
    df : tuple of float
        Degrees of freedom of the distribution.
    distribution : str
        Its name, such as ``"F"`` or ``"chi2"``.
    null : str
        The hypothesis tested.

    Examples
    --------
    >>> from skfactor.inference import TestResult
    >>> print(TestResult(4.2, 0.0404, (1,), "chi2", "the premium of HML is zero"))
    chi2(1) = 4.2000, p-value = 0.0404
    H0: the premium of HML is zero
    """

    __test__ = False  # not a test case, whatever pytest thinks of the name

    statistic: float
    p_value: float
    df: tuple[float, ...]
    distribution: str
    null: str

    def __str__(self) -> str:
        df = ", ".join(f"{value:g}" for value in self.df)
        name = f"{self.distribution}({df})" if df else self.distribution
        head = f"{name} = {self.statistic:.4f}, p-value {p_value_is(self.p_value)}"
        return f"{head}\nH0: {self.null}"


def chi2_test(statistic: float, df: int, null: str) -> TestResult:
    """A test by the chi-square distribution."""
    return TestResult(statistic, float(stats.chi2.sf(statistic, df)), (df,), "chi2", null)


def f_test(statistic: float, df: int, free: float, null: str) -> TestResult:
    """A test by the F distribution."""
    return TestResult(statistic, float(stats.f.sf(statistic, df, free)), (df, free), "F", null)


@dataclass(frozen=True, eq=False, repr=False)
class PremiaInference(Result):
    """Estimated premia with their covariance matrix.

    Made by `skfactor.FamaMacBeth.inference`; units are those of the returns, decimals per period.

    Attributes
    ----------
    premia : Series of shape (n_premia,)
        Estimates, ``"const"`` (the zero-beta rate) first where there is one.
    cov : DataFrame of shape (n_premia, n_premia)
        Their covariance matrix.
    df : float or Series of shape (n_premia,)
        Degrees of freedom of the t distribution; infinite for the normal one. A Series where
        premia rest on different dates.
    covariance : str
        Kind of the covariance, such as ``"shanken"``.
    kernel : str or None
        Kernel of the long-run variance.
    bandwidth : float
        Its number of lags; 0 without a kernel.
    prewhitened : bool
        Whether an autoregression was taken out before.
    describe : callable
        Returns what the summary says about the model, label by label.
    notes : tuple of str
        What the reader has to know about these errors.
    n_dates : int or None
        Dates that the errors are from, if that is known.
    is_hotelling : bool
        Whether the F distribution of joint tests is Hotelling's.
    detail : str
        What the kind was asked for, such as ``"by date"``.
    on_common_dates : callable or None
        Where premia rest on different dates: the same for a list of them, over the dates that they
        have in common.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_two_pass
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> inference = FamaMacBeth().fit(factors, returns).inference("shanken")
    >>> inference.std_errors.shape
    (4,)
    """

    premia: pd.Series
    cov: pd.DataFrame
    df: float | pd.Series
    covariance: str
    kernel: str | None = None
    bandwidth: float = 0.0
    prewhitened: bool = False
    describe: Callable[[], dict[str, str]] = dict
    notes: tuple[str, ...] = ()
    n_dates: int | None = None
    is_hotelling: bool = True
    detail: str = ""
    on_common_dates: Callable[[list[Hashable]], PremiaInference] | None = None

    @property
    def std_errors(self) -> pd.Series:
        """Standard errors of the premia."""
        return self._labelled(self._errors, "std_error")

    @property
    def t_values(self) -> pd.Series:
        """Premia over their standard errors."""
        return self._labelled(self._t, "t_value")

    @property
    def p_values(self) -> pd.Series:
        """Two-sided p-values of the hypothesis that a premium is zero."""
        below = -np.abs(self._t)
        tail = special.stdtr(self._free, below) if self._is_t else special.ndtr(below)
        return self._labelled(np.asarray(2.0 * tail, dtype=np.float64), "p_value")

    @property
    def _free(self) -> Float64Array:
        return np.asarray(self.df, dtype=np.float64)

    @property
    def _is_t(self) -> bool:
        return not bool(np.isinf(self._free).any())

    @property
    def _distribution(self) -> str:
        if not self._is_t:
            return "normal"
        low, high = np.nanmin(self._free), np.nanmax(self._free)
        return f"t({low:.4g})" if low == high else f"t({low:.4g} to {high:.4g})"

    @property
    def _errors(self) -> Float64Array:
        errors: Float64Array = np.sqrt(self.cov.to_numpy().diagonal())
        return errors

    @property
    def _t(self) -> Float64Array:
        with np.errstate(divide="ignore", invalid="ignore"):  # as pandas divides
            t: Float64Array = self.premia.to_numpy() / self._errors
        return t

    @property
    def _estimate(self) -> str:
        """What the numbers are estimates of, in one word."""
        return str(self.premia.name) if self.premia.name in _TITLES else "premium"

    def _labelled(self, values: Float64Array, name: str) -> pd.Series:
        return pd.Series(values, index=self.premia.index, name=name)

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Confidence intervals, columns ``"lower"`` and ``"upper"``.

        Parameters
        ----------
        level : float, default=0.95
            Coverage, between 0 and 1.

        Returns
        -------
        DataFrame of shape (n_premia, 2)

        Raises
        ------
        ValueError
            If the level is not between 0 and 1.
        """
        check_level(level)
        share, premia = 0.5 + level / 2.0, self.premia.to_numpy()
        t = special.stdtrit(self._free, share) if self._is_t else special.ndtri(share)
        half = t * self._errors
        bounds = np.column_stack([premia - half, premia + half])
        return pd.DataFrame(bounds, index=self.premia.index, columns=_BOUNDS.view())

    def _chosen(self, names: str | Sequence[str] | None) -> list[Any]:
        """Names of estimates, all but the zero-beta rate by default; else ``ValueError``."""
        index = list(self.premia.index)
        if names is None:
            names = [name for name in index if name != "const"]
        chosen: list[Any] = list(names) if pd.api.types.is_list_like(names) else [names]
        unknown = [name for name in chosen if name not in index]
        if unknown or not chosen:
            raise ValueError(f"The premia {unknown or chosen} are unknown; there are {index}.")
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"names={chosen} names a premium more than once.")
        return chosen

    def _joint(self, chosen: list[Any]) -> tuple[Float64Array, Float64Array]:
        """Estimates (n,) and their covariance (n, n); raise if they cannot be tested together."""
        index = list(self.premia.index)
        places = [index.index(name) for name in chosen]
        covariance: Float64Array = self.cov.to_numpy()[np.ix_(places, places)]
        alone = np.isnan(covariance) & np.isfinite(covariance.diagonal()).all()
        if alone.any():
            raise ValueError(
                "separate=True chose lags premium by premium, so there are variances and no joint "
                f"covariance of {chosen}. Leave separate out for a joint test."
            )
        if self.kernel == "ewc":
            raise_if_few_cosines(len(chosen), self.bandwidth)
        return self.premia.to_numpy()[places], covariance

    def wald_test(self, names: str | Sequence[str] | None = None) -> TestResult:
        """Test that several premia are zero together.

        With ``covariance="fama-macbeth"`` the statistic is Hotelling's, F distributed; else it is
        chi-square.

        Parameters
        ----------
        names : str or list of str, optional
            The premium or premia to test; all but the zero-beta rate by default.

        Returns
        -------
        TestResult

        Raises
        ------
        ValueError
            If a name is unknown or occurs twice, the covariance is singular, or there are too few
            dates for the F distribution.
        """
        chosen = self._chosen(names)
        if self.on_common_dates is not None:
            common = self.on_common_dates(chosen)
            found = common.wald_test(chosen)
            return replace(found, null=f"{found.null}, over the {common.n_dates} dates of all")
        premia, covariance = self._joint(chosen)
        k, df = len(chosen), float(self._free)
        free = df + 1.0 - k if self.is_hotelling else df
        if free <= 0:
            raise ValueError(f"{k} premia need more than {k} dates, found {df + 1.0:g}.")
        wald = quadratic_form(
            premia,
            covariance,
            f"The covariance of the {k} estimates is singular, so they cannot be tested together: "
            "some are known without error or from the others, or there are too few dates.",
        )
        null = f"the premia of {', '.join(map(str, chosen))} are zero"
        if not self._is_t:
            return chi2_test(wald, k, null)
        statistic = wald * free / (k * df)  # free is df if it is not Hotelling's
        return f_test(statistic, k, free, null)

    def adjusted(
        self,
        method: str = "holm",
        names: str | Sequence[str] | None = None,
        *,
        significance: float = 0.05,
    ) -> AdjustedTests:
        """p-values adjusted for the number of tests, and the t value that is significant then.

        Parameters
        ----------
        method : {"bonferroni", "holm", "bh", "by"}, default="holm"
            The first two bound the probability of any false rejection, and Holm's never rejects
            less. The others bound the expected share of false rejections: Benjamini and
            Hochberg's for independent tests, Benjamini and Yekutieli's for any dependence [1]_.
        names : str or list of str, optional
            Which tests to count; all but the zero-beta rate by default.
        significance : float, default=0.05
            Of the rejections and of the hurdle.

        Returns
        -------
        AdjustedTests
            Estimates without a p-value stay NaN and are not counted.

        Raises
        ------
        ValueError
            If the method or a name is unknown, or nothing has a p-value.

        Notes
        -----
        What counts is the number of tests that were tried, and not of those that are shown: a
        factor chosen as the best of a hundred needs the hurdle of a hundred tests.

        References
        ----------
        .. [1] Harvey, C. R., Y. Liu and H. Zhu (2016), "... and the Cross-Section of Expected
           Returns", Review of Financial Studies 29(1), 5-68. https://doi.org/10.1093/rfs/hhv059
        """
        check_method(method)
        check_significance(significance)
        places = self.premia.index.get_indexer(pd.Index(self._chosen(names)))
        df = np.broadcast_to(self._free, len(self.premia))[places]
        p_values, t_values = self.p_values.iloc[places], self.t_values.iloc[places]
        return adjust(p_values, t_values, partial(t_hurdles, df), method, significance)

    def to_frame(self) -> pd.DataFrame:
        """One row per estimate: itself, standard error, t, p-value and 95% interval."""
        columns = [
            self.premia.rename(self._estimate),
            self.std_errors,
            self.t_values,
            self.p_values,
        ]
        return pd.concat([*columns, self.conf_int()], axis=1)

    def summary(self) -> Summary:
        """Table as text, LaTeX (``as_latex``) and HTML, in the form of statsmodels' results."""
        summary = TablesSummary()
        summary.tables = self._tables([str(name) for name in self.premia.index])
        summary.html_tables = self._tables([escape(str(name)) for name in self.premia.index])
        if self.notes:
            summary.add_extra_txt(list(self.notes))
        return summary

    def _tables(self, names: list[str]) -> list[SimpleTable]:
        """Facts about the model, and the premia under these names."""
        count = "B" if self.kernel == "ewc" else "L"
        long_run = f"{self.kernel}, {count} = {self.bandwidth:.4g}" if self.kernel else "no lags"
        if self.prewhitened:
            long_run += ", prewhitened"
        facts = {
            **self.describe(),
            "Covariance:": f"{self.covariance} {self.detail}".strip(),
            "Long-run variance:": long_run,
            "Distribution:": self._distribution,
        }
        labels, values = list(facts), [[value] for value in facts.values()]
        if len(labels) % 2:
            labels.append("")
            values.append([""])
        half, title = len(labels) // 2, _TITLES[self._estimate]
        top = SimpleTable(values[:half], stubs=labels[:half], title=title, txt_fmt=FACTS)
        top.extend_right(SimpleTable(values[half:], stubs=[f"  {x}" for x in labels[half:]]))
        table = self.to_frame()
        # Four digits of the smallest error, the same number of decimals in every row.
        smallest = float(np.nanmin(self._errors, initial=1.0))
        decimals = int(np.clip(3 - np.floor(np.log10(max(smallest, 1e-12))), 4, 10))
        figure, t = f"{{:.{decimals}f}}".format, "{:.3f}".format
        formats = [figure, figure, t, p_value_text, figure, figure]
        body = [
            [form(x) for form, x in zip(formats, row, strict=True)]
            for row in table.itertuples(index=False)
        ]
        letter = "t" if self._is_t else "z"
        headers = [self._estimate, "std err", letter, f"P>|{letter}|", "[0.025", "0.975]"]
        return [top, SimpleTable(body, headers, names, txt_fmt=fmt_params)]

    def __str__(self) -> str:
        return str(self.summary().as_text())

    def _repr_html_(self) -> str:
        return str(self.summary().as_html())

"""Tables for papers: several fitted models side by side, and one model in full."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable
from statsmodels.iolib.tableformatting import fmt_params

from skfactor._fitted import find_fitted
from skfactor._results import p_value_text
from skfactor._validation import is_one_of, is_whole
from skfactor._warn import with_warnings
from skfactor.inference import PremiaInference, cross_sectional_r2, j_test

__all__ = ["PremiaTable", "full_summary", "premia_table"]

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
# What the model's own summary says, by the name of the row.
_FACTS = {
    "Average R2": "Average R2:",
    "R2": "R2:",
    "Rows": "Rows:",
    "Dates": "Dates used:",
    "Assets per date": "Assets per date:",
}


class PremiaTable(pd.DataFrame):
    r"""A table of text made by `premia_table`: a frame that writes LaTeX of its own.

    Everything else is pandas: `to_string`, `to_html`, selecting rows and columns.

    Examples
    --------
    >>> from skfactor.summary import PremiaTable
    >>> rows = [("MKT_RF", ""), ("MKT_RF", "t"), ("Dates", "")]
    >>> table = PremiaTable({"(1)": ["-0.0056**", "(-2.41)", "819"]}, index=rows)
    >>> print(table.to_latex())
    \begin{tabular}{lr}
    \toprule
     & (1) \\
    \midrule
    MKT\_RF & $-$0.0056$^{**}$ \\
     & ($-$2.41) \\
    \midrule
    Dates & 819 \\
    \bottomrule
    \end{tabular}
    """

    @property
    def _constructor(self) -> type[PremiaTable]:
        return PremiaTable

    def to_latex(  # type: ignore[override]  # without jinja2, which pandas' own needs
        self,
        buf: str | Path | IO[str] | None = None,
        *,
        caption: str | None = None,
        label: str | None = None,
    ) -> str | None:
        r"""Write a tabular for the booktabs package, names escaped.

        Parameters
        ----------
        buf : path or file, optional
            Where to write to.
        caption, label : str, optional
            Either puts the tabular into a table environment. The caption is taken as LaTeX.

        Returns
        -------
        str or None
            The text, None if it was written to a file.
        """
        pairs = [name if isinstance(name, tuple) else ("", name) for name in self.index]
        labels = [(str(name), str(kind)) for name, kind in pairs]
        kinds = [kind for _, kind in labels]
        # A premium has a second row for its statistic; what follows the last premium is a footer.
        footer = max((i + 1 for i, kind in enumerate(kinds) if kind), default=0)
        lines = [_latex_row("", [_escape(str(name)) for name in self.columns]), r"\midrule"]
        for i, ((name, kind), cells) in enumerate(zip(labels, self.to_numpy(), strict=True)):
            if i == footer and i:
                lines.append(r"\midrule")
            lines.append(_latex_row("" if kind else name, [_latex_cell(str(x)) for x in cells]))
        columns = "l" + "r" * self.shape[1]
        lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *lines]
        lines += [r"\bottomrule", r"\end{tabular}"]
        if caption is not None or label is not None:
            head = [r"\begin{table}", r"\centering"]
            head += [] if caption is None else [rf"\caption{{{caption}}}"]
            head += [] if label is None else [rf"\label{{{label}}}"]
            lines = [*head, *lines, r"\end{table}"]
        text = "\n".join(lines)
        if buf is None:
            return text
        if isinstance(buf, str | Path):
            Path(buf).write_text(text + "\n", encoding="utf-8")
        elif hasattr(buf, "write"):
            buf.write(text + "\n")
        else:
            raise TypeError(f"buf has to be a path or an open file; found {buf!r}.")
        return None


def premia_table(
    models: Iterable[BaseEstimator | PremiaInference],
    *,
    names: Sequence[str] | None = None,
    stars: bool = False,
    statistic: str = "t",
    covariance: str = "auto",
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    digits: int = 4,
    **options: object,
) -> PremiaTable:
    """Premia of several fitted models side by side, one column per model.

    Parameters
    ----------
    models : list of estimators or PremiaInference
        Fitted `skfactor.FamaMacBeth` or other models of premia; also pipelines that end in one,
        formulas and searches around one. What `inference` gave stands as it is, so that one model
        may have several columns with errors of other kinds.
    names : list of str, optional
        Names of the columns; (1), (2), ... by default.
    stars : bool, default=False
        Mark estimates by their p-value: ``***`` below 1%, ``**`` below 5%, ``*`` below 10%.
    statistic : {"t", "se"}, default="t"
        What is in parentheses below an estimate: its t-value or its standard error.
    covariance, kernel, bandwidth
        As in `skfactor.FamaMacBeth.inference`. ``"auto"`` may differ between models: the last row
        says which errors each has.
    digits : int, default=4
        Decimals of premia and standard errors, which are in the units of the returns.
    **options
        What the kind of covariance takes beside these, as in `skfactor.FamaMacBeth.inference`.

    Returns
    -------
    PremiaTable
        A DataFrame of text, indexed by name and ``""`` or the statistic. The rows are the premia in
        the order of first appearance, ``"const"`` first; then, for models with cross-sections, the
        average R squared of the dates; the number of dates and the average number of assets a
        date; the kind of errors; with stars what they mean. What a model does not have is empty.

    Raises
    ------
    TypeError
        If something is not a model of premia.
    ValueError
        If there are no models, names repeat or are of another number, the statistic is unknown, or
        a model cannot give this covariance.
    NotFittedError
        If a model is not fitted.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> from skfactor.summary import premia_table
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135][VM]").sub(french["RF"], axis=0)
    >>> three = FamaMacBeth().fit(french[["MktRF", "SMB", "HML"]], returns)
    >>> four = FamaMacBeth().fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)
    >>> table = premia_table([three, four], names=["FF3", "Carhart"], covariance="fama-macbeth")
    >>> print(table)
                                FF3       Carhart
    const                    0.0268        0.0076
                    t        (8.23)        (3.19)
    MktRF                   -0.0192       -0.0005
                    t       (-5.45)       (-0.17)
    SMB                      0.0010        0.0008
                    t        (0.92)        (0.79)
    HML                      0.0015        0.0040
                    t        (1.44)        (3.98)
    Mom                                    0.0079
                    t                      (5.61)
    Average R2               0.5154        0.6271
    Dates                       819           819
    Assets per date              18.0          18.0
    Standard errors    fama-macbeth  fama-macbeth
    """
    given_models = _as_list(models)
    columns = _names(names, len(given_models))
    if not is_one_of(statistic, ("t", "se")):
        raise ValueError(f"statistic={statistic!r} is unknown; it is 't' or 'se'.")
    if not is_whole(digits) or digits < 0:
        raise ValueError(f"digits={digits!r} has to be a number of decimals, such as 4.")
    given = {"kernel": kernel, "bandwidth": bandwidth}
    chosen = {name: x for name, x in given.items() if x is not None} | options
    if not is_one_of(covariance, ("auto",)):
        chosen["covariance"] = covariance
    are_results = [isinstance(each, PremiaInference) for each in given_models]
    if chosen and all(are_results):
        raise ValueError(
            f"{list(chosen)} would have no effect: these are results of inference, which have "
            "their errors already. Pass models, or leave it out."
        )
    pairs = [_result(each, chosen) for each in given_models]
    results = [result for result, _ in pairs]
    premia = list(dict.fromkeys(name for result in results for name in result.premia.index))
    premia.sort(key=lambda name: name != "const")  # keeps the order of the others
    rows: list[tuple[str, str]] = []
    cells: list[list[str]] = []
    for name in premia:
        rows += [(str(name), ""), (str(name), statistic)]
        two = [_cells(result, name, statistic, digits, stars) for result in results]
        cells += [list(each) for each in zip(*two, strict=True)]
    facts = [told for _, told in pairs]
    for row, key in _FACTS.items():
        if any(each.get(key) for each in facts):
            rows.append((row, ""))
            cells.append([each.get(key, "") for each in facts])
    rows.append(("Standard errors", ""))
    cells.append([_kind(result) for result in results])
    if stars:
        rows.append(("* 10%, ** 5%, *** 1%", ""))
        cells.append([""] * len(results))
    return PremiaTable(cells, index=pd.MultiIndex.from_tuples(rows), columns=columns)


def _as_list(
    models: Iterable[BaseEstimator | PremiaInference],
) -> list[BaseEstimator | PremiaInference]:
    if hasattr(models, "fit") or not isinstance(models, Iterable):
        raise TypeError(
            f"models has to be a list, and is a {type(models).__name__}: pass [model] for a table "
            "of one."
        )
    found = list(models)
    if not found:
        raise ValueError("There are no models to show; pass at least one.")
    return found


def _names(names: Sequence[str] | None, n_models: int) -> list[str]:
    if names is None:
        return [f"({i})" for i in range(1, n_models + 1)]
    if np.ndim(names) != 1 or len(names) != n_models:
        raise ValueError(f"names has to hold {n_models} names, one per model; found {names!r}.")
    if len(set(names)) < n_models:
        raise ValueError(f"The names {list(names)} repeat; each model needs one of its own.")
    return list(names)


def _result(
    model: BaseEstimator | PremiaInference, given: Mapping[str, object]
) -> tuple[PremiaInference, dict[str, str]]:
    """Premia with errors, and what is said of the model."""
    if isinstance(model, PremiaInference):
        return model, model.describe()
    needs = "a model of premia, such as FamaMacBeth"
    fitted = find_fitted(model, "inference", "premia_table", needs)
    result = _infer(fitted, given)
    return result, _facts(fitted, result)


def _infer(model: BaseEstimator, given: Mapping[str, object]) -> PremiaInference:
    known = inspect.signature(model.inference).parameters
    refused = [name for name in given if name not in known]
    if refused and "options" not in known:
        raise ValueError(f"The errors of {type(model).__name__} have no choice of {refused}.")
    result: PremiaInference = model.inference(**given)
    return result


def _facts(model: BaseEstimator, result: PremiaInference) -> dict[str, str]:
    """What the summary says of the model, the assets per date too."""
    if hasattr(model, "cross_sections_") or not hasattr(model, "betas_"):
        return result.describe()
    count = float(len(model.betas_))
    if hasattr(model, "residuals_"):  # else nothing is missing
        count = model.residuals_.notna().sum(axis=1)[lambda n: n > 0].mean()
    # The R squared there may be is that of the assets' time series.
    return {**result.describe(), "Average R2:": "", "Assets per date:": f"{count:.1f}"}


def _cells(
    result: PremiaInference, name: Any, statistic: str, digits: int, stars: bool
) -> tuple[str, str]:
    """Estimate, and its t-value or standard error in parentheses."""
    if name not in result.premia.index:
        return "", ""
    mark = "*" * int(np.sum(result.p_values[name] < np.array([0.01, 0.05, 0.10]))) if stars else ""
    below = (
        f"{result.t_values[name]:.2f}"
        if statistic == "t"
        else f"{result.std_errors[name]:.{digits}f}"
    )
    return f"{result.premia[name]:.{digits}f}{mark}", f"({below})"


def _kind(result: PremiaInference) -> str:
    kind = f"{result.covariance} {result.detail}".strip()
    if result.kernel is None:
        return kind
    return f"{kind}, {result.kernel} {result.bandwidth:.3g}"


def _escape(text: str) -> str:
    """Text as LaTeX; a bracket or star that opens a row would belong to the line break before."""
    escaped = "".join(_ESCAPES.get(character, character) for character in text)
    return "{}" + escaped if escaped.startswith(("[", "*")) else escaped


def _latex_row(label: str, cells: list[str]) -> str:
    return " & ".join([_escape(label), *cells]) + r" \\"


def _latex_cell(text: str) -> str:
    """A number with a minus sign, its stars raised; other text escaped."""
    number = re.fullmatch(r"(\(?)(-?)([\d.]+)(\)?)(\**)", text)
    if number is None:
        return _escape(text)
    opening, minus, digits, closing, stars = number.groups()
    raised = f"$^{{{stars}}}$" if stars else ""
    return f"{opening}{'$-$' if minus else ''}{digits}{closing}{raised}"


def full_summary(
    model: BaseEstimator,
    covariance: str = "auto",
    *,
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
    debiased: bool = True,
) -> Summary:
    """Everything about one two-pass model: premia, fit and tests, betas and pricing errors.

    Parameters
    ----------
    model : FamaMacBeth
        Fitted in wide form on complete returns; also a formula, pipeline or search that holds one.
    covariance, kernel, bandwidth, prewhiten, debiased
        Errors of the premia, as in `skfactor.FamaMacBeth.inference`; kernel, bandwidth and
        prewhiten are those of the J test and of the cross-sectional R squared too.

    Returns
    -------
    Summary
        Of statsmodels: prints, and renders as LaTeX and HTML. Each beta is followed by its
        ordinary standard error, for homoskedastic and serially uncorrelated residuals, whatever
        the errors of the premia. Without a zero-beta rate the cross-sectional R squared is
        uncentred. The time-series R squared is pooled over assets: 1 minus the sum of
        squared first-pass residuals over that of the returns around their means.

    Raises
    ------
    ValueError
        If the model is not fitted in wide form, misses data, or has no asset to spare.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> from skfactor.summary import full_summary
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> model = FamaMacBeth().fit(french[["MktRF", "HML", "Mom"]], returns)
    >>> "Time-series R2 (pooled)" in full_summary(model).as_text()
    True
    """
    needs = "a FamaMacBeth fitted in wide form, y with one column per asset"
    model = find_fitted(model, "inference", "full_summary", needs)
    if not (hasattr(model, "first_pass_") and hasattr(model, "pricing_errors_")):
        raise ValueError(
            f"full_summary needs {needs}; found {type(model).__name__} without pricing errors of "
            "a first pass."
        )
    options: dict[str, Any] = {"kernel": kernel, "bandwidth": bandwidth, "prewhiten": prewhiten}
    summary = model.summary(covariance, debiased=debiased, **options)
    fit, notes = _fit_rows(model, debiased, options)
    facts = SimpleTable([[x] for x in fit.values()], stubs=list(fit), title="Fit")
    # The HTML has tables of its own, in which names are escaped.
    summary.tables += [facts, _assets_table(model, str)]
    summary.html_tables += [facts, _assets_table(model, lambda name: escape(str(name)))]
    if notes:
        told = [summary.extra_txt] if summary.extra_txt else []
        summary.add_extra_txt([*told, *notes])
    return summary


def _fit_rows(
    model: BaseEstimator, debiased: bool, options: Mapping[str, object]
) -> tuple[dict[str, str], list[str]]:
    """How well the model fits, by the name of the row, and what is to be said of that.

    Why some of it does not exist, and where its distribution does not hold.
    """
    notes: list[str] = []

    def ask(test: Callable[..., Any], **given: object) -> Any:
        try:
            result, said = with_warnings(lambda: test(model, **given))
        except ValueError as error:
            notes.append(f"Not computed: {error}")
            return None
        notes.extend(said)
        return result

    r2 = ask(cross_sectional_r2, debiased=debiased, **options)
    j = ask(j_test, **options)
    name = "Cross-sectional R2" if model.fit_intercept else "Cross-sectional R2 (uncentred)"
    rows = {name: "not computed, see below"}
    if r2 is not None:
        low, high = r2.conf_int().loc["r2"]
        rows = {
            name: f"{r2.r2:.4f} ({r2.std_error:.4f}), 95% [{low:.4f}, {high:.4f}]",
            "  p-value of R2 = 0": p_value_text(r2.zero.p_value),
            "  p-value of R2 = 1": p_value_text(r2.one.p_value),
        }
    first_pass = model.first_pass_
    if hasattr(first_pass, "residuals_") and hasattr(first_pass, "r2_"):
        left = (first_pass.residuals_**2).sum()
        pooled = 1.0 - left.sum() / (left / (1.0 - first_pass.r2_)).sum()
        rows["Time-series R2 (pooled)"] = f"{pooled:.4f}"
    rows["J test of pricing errors"] = (
        "not computed, see below" if j is None else str(j).split("\n", maxsplit=1)[0]
    )
    return rows, notes


def _assets_table(model: BaseEstimator, label: Callable[[object], str]) -> SimpleTable:
    """Betas, with what is known of their errors, and pricing errors, one row per asset."""
    first_pass, betas = model.first_pass_, model.betas_
    errors, r2 = (getattr(first_pass, name, None) for name in ("std_errors_", "r2_"))
    rows = []
    for asset, own in betas.iterrows():
        cells = [f"{beta:.3f}" for beta in own]
        if errors is not None:
            pairs = zip(cells, errors.loc[asset], strict=True)
            cells = [f"{cell} ({error:.3f})" for cell, error in pairs]
        cells += [] if r2 is None else [f"{r2[asset]:.3f}"]
        rows.append([*cells, f"{model.pricing_errors_[asset]:.6f}"])
    headers = [f"beta {label(name)}" for name in betas]
    headers += ["pricing error"] if r2 is None else ["R2", "pricing error"]
    title = "Assets: betas" if errors is None else "Assets: betas (OLS std err)"
    stubs, formats = [label(asset) for asset in betas.index], {**fmt_params, "data_fmts": ["%s"]}
    return SimpleTable(rows, headers, stubs, title=title, txt_fmt=formats)

"""FundamentalFactorModel: returns of market, groups and styles, by regressions per date."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skfactor._fitting import fitting
from skfactor._groups import assets_of_cross_section, group_labels
from skfactor._kernels.exponential import exponential_covariance, exponential_weights, fill_gaps
from skfactor._kernels.grouped_regressions import (
    GroupedRegressions,
    GroupedRows,
    group_portfolios,
    regress_on_groups,
)
from skfactor._kernels.threads import Done
from skfactor._limits import single_blas_thread
from skfactor._panel import Labels, Panel, check_same_rows, find_panel, one_cross_section
from skfactor._passes.groups import GroupRecord
from skfactor._passes.panel_rows import PanelRows
from skfactor._passes.slopes import Slopes, count_warm_up
from skfactor._passes.two_pass import TwoPassFit
from skfactor._passes.variation import Variation
from skfactor._risk_model import RiskModel
from skfactor._sklearn import Interval, StrOptions
from skfactor._typing import BoolArray, Float64Array, FloatArray, GroupLabels, IntArray, RowLabels
from skfactor._validation import (
    check_one_column,
    check_row_weights,
    column_index,
    raise_if_empty,
    validate_features,
)
from skfactor._warn import warn_user
from skfactor.exceptions import RankDeficientWarning
from skfactor.linear_model._panel_fit import PanelRegression, read_part

# Fewest residuals of an asset from which `risk_model` estimates a variance.
_FEWEST_RESIDUALS = 12


@dataclass(frozen=True, eq=False, kw_only=True)
class _Rows(PanelRows):
    """Rows of a panel with the groups of their assets."""

    families: dict[Hashable, Labels]
    codes: IntArray  # (n_families, n_rows), -1 without a label
    caps: Float64Array | None
    assets: Labels | None
    row_index: pd.Index

    @property
    def resolution(self) -> float:
        """Machine epsilon of the exposures."""
        return float(np.finfo(self.exposures.dtype).eps)

    @property
    def date_of_row(self) -> IntArray:
        """Number of each row's date (n_rows,)."""
        date = np.empty(len(self.returns), dtype=np.intp)
        order = slice(None) if self.segments.order is None else self.segments.order
        date[order] = np.repeat(np.arange(len(self.segments)), self.segments.lengths)
        return date

    def dates_of(self, place: IntArray) -> IntArray:
        """Numbers of the dates of some rows."""
        if self.segments.order is not None:
            return self.date_of_row[place]
        return np.searchsorted(self.segments.offsets, place, side="right") - 1

    def take(self, place: IntArray) -> Float64Array:
        """Exposures of some rows."""
        return self.exposures[place].astype(np.float64)

    def for_kernel(self) -> GroupedRows:
        return GroupedRows(
            self.exposures,
            self.returns,
            self.codes,
            tuple(len(labels) for labels in self.families.values()),
            self.caps,
            self.weights,
            self.segments,
        )


class FundamentalFactorModel(PanelRegression):
    r"""Returns of the market, of groups such as industries, and of styles, date by date.

    On each date the returns of the assets are regressed on a constant, which every asset has, on
    dummies of their groups and on their exposures to styles, such as standardized size or momentum
    [1]_. The weighted mean of the groups' returns is zero, by the capitalizations of the assets
    in that regression, so that the constant is the market's return and the groups' are relative to
    it [2]_. Exposures, groups and weights in a row are those known before the return in it.

    Parameters
    ----------
    robust : {None, "huber"}, default=None
        ``"huber"`` gives assets with large residuals less weight [3]_. Weights of the assets and
        the constraint stay as they are.
    min_group_size : int, default=2
        Residuals are NaN in groups with fewer assets on a date: a group's return fits an asset
        that is alone in it exactly, and says nothing of its specific risk.
    missing : {"drop", "raise"}, default="drop"
        ``"drop"`` leaves out rows without a return, an exposure or a group.
    rank_deficient : {"nan", "raise"}, default="nan"
        What to do about dates that are too thin or have collinear exposures: NaN and one warning
        that counts them, or an error.
    date_level : str, int or None, default="auto"
        Name or position of the date level of a (date, asset) index. None says that the rows have no
        dates; with dates it raises.

    Attributes
    ----------
    lambdas_ : DataFrame of shape (n_dates, n_factors)
        Factor returns of each date: ``"const"`` (the market), groups, styles. A group is NaN on
        dates on which it has no assets, or all assets are in it.
    premia_ : Series of shape (n_factors,)
        Their averages, of each over its own dates.
    residuals_ : Series of shape (n_rows,)
        Specific returns of the rows of the last `fit` or `partial_fit`. Rows of weight zero have
        one, too.
    groups_ : Index of shape (n_groups,)
        Labels of all groups.
    asset_groups_ : DataFrame of shape (n_assets, n_families) or None
        Each asset's last groups; None if assets or groups are not known.
    coef_ : ndarray of shape (n_features,)
        Premia of the styles.
    intercept_ : float
        Premium of the market.
    cross_sections_ : DataFrame
        For each date ``n_assets``, ``r2`` (weighted), ``adj_r2`` and the ``condition_number`` of
        the standardized exposures within groups.
    dates_ : Index of shape (n_dates,)
        All dates of the fit, ascending.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    FamaMacBeth : Without groups and with any first pass.
    FactorZScorer : Standardizes exposures; ``weights=`` capitalizations make the market's zero.

    Notes
    -----
    On each date the model

    .. math::
        r_n = f_m + f_{g(n)} + \sum_k X_{nk} f_k + u_n , \qquad \sum_g W_g f_g = 0 ,

    is fitted by weighted least squares, with :math:`W_g` the share of group g in the capitalization
    of the assets of the regression. Of several families of groups each has its own constraint.
    `inference` takes the exposures as known, as in `FamaMacBeth`.

    References
    ----------
    .. [1] Grinold, R. C. and R. N. Kahn (2000), "Active Portfolio Management", 2nd ed.,
       McGraw-Hill, ISBN 978-0070248823.
    .. [2] Heston, S. L. and K. G. Rouwenhorst (1994), "Does Industrial Structure Explain the
       Benefits of International Diversification?", Journal of Financial Economics 36(1), 3-27.
       https://doi.org/10.1016/0304-405X(94)90028-0
    .. [3] Huber, P. J. (1964), "Robust Estimation of a Location Parameter", Annals of Mathematical
       Statistics 35(1), 73-101. https://doi.org/10.1214/aoms/1177703732

    Examples
    --------
    >>> import numpy as np
    >>> from skfactor import FundamentalFactorModel
    >>> from skfactor.datasets import make_panel
    >>> X, y = make_panel(n_assets=60, n_features=2, random_state=0, return_X_y=True)
    >>> assets = X.index.unique("asset")
    >>> industry = dict(zip(assets, np.resize(["Banks", "Oil", "Tech"], 60)))
    >>> model = FundamentalFactorModel().fit(X, y, groupby=industry)
    >>> list(model.premia_.index)
    ['const', 'Banks', 'Oil', 'Tech', 'x1', 'x2']
    >>> bool(model.lambdas_[["Banks", "Oil", "Tech"]].sum(axis=1).abs().max() < 1e-12)
    True
    """

    __metadata_request__fit: ClassVar = {"dates": True, "groupby": True, "weights": True}
    __metadata_request__partial_fit: ClassVar = {"dates": True, "groupby": True, "weights": True}
    __metadata_request__predict: ClassVar = {"groupby": True}
    __metadata_request__score: ClassVar = {"groupby": True}
    _fama_macbeth_note: ClassVar = "Exposures taken as known: their estimation adds no error."
    _parameter_constraints: ClassVar = {
        "robust": [StrOptions({"huber"}), None],
        "min_group_size": [Interval(Integral, 1, None, closed="left")],
        "missing": [StrOptions({"drop", "raise"})],
        "rank_deficient": [StrOptions({"nan", "raise"})],
        "date_level": [str, int, None],
    }
    # Date, exposures and groups of the last cross-section, for `risk_model`.
    _newest: tuple[Hashable, pd.DataFrame, pd.DataFrame] | None = None
    # The market is always there, and all dates weigh the same.
    fit_intercept = True
    premia_window = None
    premia_halflife = None
    min_assets = None

    def __init__(
        self,
        *,
        robust: str | None = None,
        min_group_size: int = 2,
        missing: str = "drop",
        rank_deficient: str = "nan",
        date_level: str | int | None = "auto",
    ) -> None:
        self.robust = robust
        self.min_group_size = min_group_size
        self.missing = missing
        self.rank_deficient = rank_deficient
        self.date_level = date_level

    @fitting(one_task=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groupby: GroupLabels | None = None,
        weights: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
    ) -> Self:
        """Estimate the returns of the factors on each date.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Exposures to styles, known before the return of the row.
        y : array-like of shape (n_rows,)
            Returns, in decimals.
        groupby : array-like of shape (n_rows,), mapping or DataFrame, optional
            Group of each row's asset, such as its industry: one label per row; or one per asset,
            as a dict or a Series indexed by asset. A DataFrame has a column for each family of
            groups, such as industries and countries. Without it there are the market and styles.
        weights : array-like of shape (n_rows,), optional
            Market capitalizations, from before the return of the row too, which contains it
            otherwise. The groups' returns have a mean of zero by them. None takes all assets alike.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row in its date's regression, ideally one over the variance of its
            specific return; 0 leaves it out. None is the square root of ``weights``.
        dates : array-like of shape (n_rows,) or scalar, optional
            Date of each row, if it is not in the index of X or y. A scalar: one cross-section.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If date and asset do not identify the rows, a value is infinite or text, a weight is
            missing or not positive, all assets are in one group on every date, labels of groups are
            names of other factors, columns are constant, or no date can be estimated.

        Warns
        -----
        RankDeficientWarning
            If some dates could not be estimated, all assets of a date are in one group, or groups
            are smaller than ``min_group_size``.
        ConvergenceWarning
            If Huber's weights of a date have not settled.
        NoDatesWarning
            If there are no dates anywhere, so that all rows make one cross-section.
        """
        self._newest = None
        values, target = self._validate(X, y, reset=True)
        raise_if_empty(target)
        given = {"groupby": groupby, "weights": weights, "sample_weight": sample_weight}
        self._fit_panel(values, target, X, y, given, dates)
        return self

    @fitting(forget=False, one_task=False)
    def partial_fit(  # type: ignore[override]  # arguments in the order of `fit`
        self,
        X: ArrayLike,
        y: ArrayLike,
        groupby: GroupLabels | None = None,
        weights: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
    ) -> Self:
        """Add dates to those of earlier calls, for a panel that is not in memory at once.

        All rows of a date come in one call; the dates may come in any order, and have groups that
        others do not have. Factor returns are those of one `fit` to the dates of all calls.

        Parameters
        ----------
        X, y, groupby, weights, sample_weight, dates
            As in `fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a date came in an earlier call, families of groups are others, or as in `fit`.

        Warns
        -----
        RankDeficientWarning
            As in `fit`, of the dates of this call.
        """
        if not hasattr(self, "record_"):
            self._newest = None
        given = {"groupby": groupby, "weights": weights, "sample_weight": sample_weight}
        return self._add_dates(X, y, given, dates)

    def read_slopes(  # type: ignore[override]  # arguments in the order of `fit`
        self,
        X: ArrayLike,
        y: ArrayLike,
        groupby: GroupLabels | None = None,
        weights: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
    ) -> Slopes:
        """Regress the rows of some dates; the model is not changed.

        For dates that are spread over processes or machines, see `FamaMacBeth.read_slopes`.

        Parameters
        ----------
        X, y, groupby, weights, sample_weight, dates
            As in `fit`, the rows of whole dates.

        Returns
        -------
        Slopes
        """
        given = {"groupby": groupby, "weights": weights, "sample_weight": sample_weight}
        return read_part(self, X, y, given, dates)

    @fitting()
    def fit_slopes(self, slopes: Slopes) -> Self:
        """Fit to the sum of what `read_slopes` has read.

        Parameters
        ----------
        slopes : Slopes
            Of all dates, from models with the same parameters.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            As `FamaMacBeth.fit_slopes`.
        """
        self._newest = None
        return super().fit_slopes(slopes)

    def _panel_rows(
        self,
        values: FloatArray,
        target: Float64Array,
        X: ArrayLike,
        y: ArrayLike | None,
        given: dict[str, object],
        dates: RowLabels | None,
    ) -> _Rows:
        check_one_column(
            target,
            "FundamentalFactorModel takes panels, with exposures",
            "Stack the returns by (date, asset), or use FactorBetas, which estimates exposures to "
            "given factors.",
        )
        rows = super()._panel_rows(values, target, X, y, given, dates)
        n_rows, returns, weights = len(rows), rows.returns, rows.weights
        assets = None if rows.panel is None else rows.panel.assets
        if assets is None:
            assets = assets_of_cross_section(X)
        families = _families(given["groupby"], X, n_rows, assets)
        codes = _codes(families, n_rows)
        if self.missing == "raise" and (codes < 0).any():
            raise ValueError(
                f"groupby= has no label for {int((codes < 0).any(axis=0).sum())} of {n_rows} rows. "
                "Pass missing='drop' to leave them out."
            )

        def kept() -> BoolArray:
            there = np.isfinite(returns) & (codes >= 0).all(axis=0)
            there &= np.isfinite(values).all(axis=1)
            return there if weights is None else there & (weights > 0.0)

        caps = _capitalizations(given["weights"], X, n_rows, kept)
        if weights is None and caps is not None:
            weights = np.sqrt(caps)
        index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(n_rows)
        return _Rows(
            values,
            returns,
            weights,
            rows.segments,
            rows.dates,
            families=families,
            codes=codes,
            caps=caps,
            assets=assets,
            row_index=index,
        )

    @single_blas_thread
    def _regress(self, rows: PanelRows, done: Done) -> Slopes:
        assert isinstance(rows, _Rows)
        fits, residuals = regress_on_groups(
            rows.for_kernel(), robust=self.robust is not None, done=done
        )
        labels = rows.dates
        record = self._group_record(rows)
        self._report_groups(fits, rows, residuals, labels, record)
        self.residuals_ = pd.Series(residuals, rows.row_index, name="residual")
        self._keep_newest(rows, labels)
        empty: BoolArray = np.zeros(len(self._names), dtype=bool)
        if (fits.thin | fits.deficient).all():
            empty = np.asarray(np.isnan(rows.exposures).all(axis=0))
        groups = [] if record is None else list(record.labels)
        return Slopes.of(
            fits,
            column_index(["const", *groups, *self._names]),
            labels,
            has_const=True,
            n_warm_up=count_warm_up(rows.exposures, rows.segments),
            variation=Variation.of(
                fits.n_rows,
                fits.weight,
                fits.means,
                fits.squares,
                rows.resolution,
            ),
            empty=empty,
            has_names=hasattr(self, "feature_names_in_"),
            groups=record,
        )

    def _group_record(self, rows: _Rows) -> GroupRecord | None:
        if not rows.families:
            return None
        families = {name: labels.labels for name, labels in rows.families.items()}
        last, when = None, None
        if rows.assets is not None:
            known: IntArray | slice = slice(None)
            if rows.segments.order is not None:
                known = rows.segments.order  # rows by date
            if int(rows.codes.min()) < 0:
                by_date = np.arange(rows.codes.shape[1])[known]
                known = by_date[(rows.codes[:, by_date] >= 0).all(axis=0)]
            place = np.full(len(rows.assets), -1)
            # Of an asset's rows the last one stays.
            place[rows.assets.codes[known]] = np.arange(rows.codes.shape[1])[known]
            there = place >= 0
            place, names = place[there], rows.assets.labels[there]
            last = pd.DataFrame(
                {
                    name: labels.labels.to_numpy()[labels.codes[place]]
                    for name, labels in rows.families.items()
                },
                names,
            )
            dates = pd.Index(np.zeros(len(place), dtype=int))
            if rows.dates is not None:
                dates = rows.dates[rows.dates_of(place)]
            when = pd.Series(dates, names)
        record = GroupRecord(families, last, when)
        taken = [name for name in ("const", *self._names) if name in record.labels]
        if taken:
            raise ValueError(
                f"The labels {taken} of groups are names of other factors, too: 'const' is the "
                f"market, columns of X are {self._names}. Rename the groups."
            )
        return record

    def _report_groups(
        self,
        fits: GroupedRegressions,
        rows: _Rows,
        residuals: Float64Array,
        labels: pd.Index | None,
        record: GroupRecord | None,
    ) -> None:
        """Warn or raise of groups that are the only ones or too small, and of slow convergence."""
        if not fits.converged.all():
            warn_user(
                f"Huber's weights have not settled on {int((~fits.converged).sum())} of "
                f"{len(fits.converged)} dates; factor returns there are those of the last step.",
                ConvergenceWarning,
            )
        if record is None:
            return
        lonely = fits.lonely & fits.solved
        where = "" if labels is None or not lonely.any() else f", the first is {labels[lonely][0]}"
        if fits.lonely.all() or (lonely.any() and self.rank_deficient == "raise"):
            raise ValueError(
                f"All assets are in one group of a column of groupby= on {int(fits.lonely.sum())} "
                f"of {len(lonely)} dates{where}: its return cannot be told from the market's. "
                "Leave that column (or groupby=) out."
            )
        if lonely.any():
            warn_user(
                f"On {int(lonely.sum())} of {len(lonely)} dates all assets are in one group, whose "
                f"return is NaN there, since it cannot be told from the market's{where}.",
                RankDeficientWarning,
            )
        small = (fits.counts > 0) & (fits.counts < self.min_group_size) & fits.solved[:, None]
        if not small.any():
            return
        date = rows.date_of_row
        start, lost = 0, np.zeros(len(residuals), dtype=bool)
        for codes, family in zip(rows.codes, record.families.values(), strict=True):
            lost |= (codes >= 0) & small[date, start + codes]
            start += len(family)
        lost &= np.isfinite(residuals)
        residuals[lost] = np.nan
        names = list(record.labels[small.any(axis=0)])
        warn_user(
            f"{int(lost.sum())} residuals are NaN: they are of groups with fewer than "
            f"min_group_size={self.min_group_size} assets on a date, such as {names[:3]}, on "
            f"{int(small.any(axis=1).sum())} of {len(small)} dates. Merge small groups, or accept "
            "that their assets have no specific returns there.",
            RankDeficientWarning,
        )

    def _keep_newest(self, rows: _Rows, labels: pd.Index | None) -> None:
        """Keep exposures and groups of the last date for `risk_model`."""
        date = None if labels is None else labels[-1:][0]
        earlier = self._newest
        if rows.assets is None or (
            earlier is not None and earlier[0] is not None and (date is None or earlier[0] > date)
        ):
            return
        offsets, order = rows.segments.offsets, rows.segments.order
        run = slice(int(offsets[-2]), int(offsets[-1]))
        place = np.arange(run.start, run.stop) if order is None else order[run]
        names = rows.assets.labels[rows.assets.codes[place]]
        groups = pd.DataFrame(
            {
                name: pd.Index(labels.labels)
                .take(np.maximum(codes[place], 0))
                .where(codes[place] >= 0)
                for (name, labels), codes in zip(rows.families.items(), rows.codes, strict=True)
            },
            names,
        )
        exposures = rows.take(place)
        self._newest = date, pd.DataFrame(exposures, names, column_index(self._names)), groups

    def _finish(self, slopes: Slopes, two_pass: TwoPassFit | None = None) -> None:
        super()._finish(slopes, two_pass)
        groups = slopes.groups
        self.groups_ = pd.Index([]) if groups is None else groups.labels
        self.asset_groups_ = None if groups is None else groups.last

    def _facts(self) -> dict[str, str]:
        return {} if self.robust is None else {"Robust:": "Huber"}

    def predict(self, X: ArrayLike, groupby: GroupLabels | None = None) -> Float64Array:
        """Expected returns.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Exposures to styles.
        groupby : array-like of shape (n_rows,), mapping or DataFrame, optional
            Groups, as in `fit`. None is each asset's last group of `fit`.

        Returns
        -------
        ndarray of shape (n_rows,)
            Premia of the market and of the row's groups, plus exposures times premia of the
            styles. NaN where an exposure or a label is missing.

        Raises
        ------
        ValueError
            If an asset had no group in `fit` and ``groupby`` is not passed, or a group was not
            there in `fit`.
        """
        expected = super().predict(X)
        return expected + self._premia_of_groups(X, groupby, len(expected)).reshape(expected.shape)

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groupby: GroupLabels | None = None,
    ) -> float:
        """R squared of `predict` over all rows without NaN.

        Parameters
        ----------
        X, y : array-like
            As in `fit`.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row.
        groupby : array-like, mapping or DataFrame, optional
            As in `predict`.

        Returns
        -------
        float
        """
        return self._score(self.predict(X, groupby), X, y, sample_weight)

    def expected_returns(
        self, exposures: ArrayLike | pd.Series, groupby: GroupLabels | None = None
    ) -> pd.Series:
        """Expected returns of any assets from their exposures and groups.

        Parameters
        ----------
        exposures : DataFrame or array of shape (n_assets, n_features), or Series
            Exposures to styles with the names of `fit`; a Series is one asset.
        groupby : array-like of shape (n_assets,), mapping or DataFrame, optional
            As in `predict`.

        Returns
        -------
        Series of shape (n_assets,)

        Raises
        ------
        ValueError
            As `predict`.
        """
        expected = super().expected_returns(exposures)
        if isinstance(exposures, pd.Series):
            exposures = exposures.to_frame().T
        return expected + self._premia_of_groups(exposures, groupby, len(expected))

    def slope_portfolios(
        self,
        X: ArrayLike,
        groupby: GroupLabels | None = None,
        weights: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
    ) -> pd.DataFrame:
        """Weights of the portfolios whose returns are those of the factors (factor-mimicking).

        The market's add up to 1, the others' to 0. Each has an exposure of 1 to its own factor, as
        far as the constraint lets it, and 0 to the styles of others.

        Parameters
        ----------
        X, groupby, weights, sample_weight, dates
            As in `fit`.

        Returns
        -------
        DataFrame of shape (n_rows, n_factors)
            Weights with the index of X; 0 for rows that miss an exposure, NaN where the factor
            has no return.

        Raises
        ------
        ValueError
            With ``robust``: a robust factor return is no portfolio's.
        """
        check_is_fitted(self)
        if self.robust is not None:
            raise ValueError(
                f"With robust={self.robust!r} weights depend on the returns themselves, so the "
                "factors' returns are those of no portfolio. Use robust=None."
            )
        values = validate_features(self, X, reset=False)
        given = {"groupby": groupby, "weights": weights, "sample_weight": sample_weight}
        rows = self._panel_rows(values, np.zeros(len(values)), X, None, given, dates)
        found = group_portfolios(rows.for_kernel())
        groups = [label for labels in rows.families.values() for label in labels.labels]
        return pd.DataFrame(
            found, rows.row_index, column_index(["const", *groups, *self._names])
        ).reindex(columns=self.lambdas_.columns)

    def risk_model(
        self, X: pd.DataFrame | None = None, groupby: GroupLabels | None = None
    ) -> RiskModel:
        """Exposures of the assets of one date, covariance of the factors, specific variances.

        Factors' covariances are those of all dates alike. `skfactor.FactorRiskModel` weighs
        recent dates more and estimates specific risk for assets without a history.

        Parameters
        ----------
        X : DataFrame of shape (n_assets, n_features), optional
            Exposures to styles on one date, indexed by asset or by (date, asset). None is the last
            date of `fit`.
        groupby : array-like of shape (n_assets,), mapping or DataFrame, optional
            As in `predict`.

        Returns
        -------
        RiskModel
            With ``factor_returns`` and, after `fit`, ``specific_returns``. Assets with fewer than
            12 residuals or without exposures are unknown in it. Factors with fewer than two returns
            are left out, and assets of such groups are unknown.

        Raises
        ------
        ValueError
            If X has several dates, or X is not passed where none was kept.
        """
        check_is_fitted(self)
        date, exposures = self._exposures(X, groupby)
        returns = self.lambdas_
        enough = returns.notna().sum() >= 2
        lacking = list(returns.columns[~enough])
        exposures.loc[(exposures[lacking] != 0.0).any(axis=1)] = np.nan
        names = returns.columns[enough]
        table = returns[names].dropna(how="all")
        n_dates = len(table)
        if n_dates < 2:
            raise ValueError(
                f"A covariance of factor returns needs several dates; found {n_dates} with returns."
            )
        filled = fill_gaps(table.to_numpy(), exponential_weights(n_dates, None))
        covariance, _ = exponential_covariance(filled, None, 0, center=True)
        specific = self._specific_returns()
        variances = pd.Series(np.nan, exposures.index)
        if specific is not None:
            squares = (specific**2).mean().where(specific.notna().sum() >= _FEWEST_RESIDUALS)
            variances = squares.reindex(exposures.index)
            specific = specific.reindex(columns=exposures.index)
        return RiskModel(
            exposures=exposures[names],
            factor_covariance=pd.DataFrame(covariance * n_dates / (n_dates - 1.0), names, names),
            specific_variance=variances,
            factor_returns=returns[names],
            specific_returns=specific,
            date=date,
        )

    def exposures(
        self, X: pd.DataFrame | None = None, groupby: GroupLabels | None = None
    ) -> pd.DataFrame:
        """Exposures of the assets of one date to all factors: the market, groups and styles.

        Parameters
        ----------
        X, groupby
            As in `risk_model`.

        Returns
        -------
        DataFrame of shape (n_assets, n_factors)
            1 for the market and the asset's own groups, 0 for others; NaN where a label or an
            exposure is missing.

        Raises
        ------
        ValueError
            As `risk_model`.
        """
        check_is_fitted(self)
        return self._exposures(X, groupby)[1]

    def _exposures(
        self, X: pd.DataFrame | None, groupby: GroupLabels | None
    ) -> tuple[Hashable, pd.DataFrame]:
        """Date, and exposures (n_assets, n_factors) to the market, groups and styles."""
        if X is None:
            if self._newest is None:
                raise ValueError(
                    "No exposures of the last date were kept, as after fit_slopes or without names "
                    "of assets. Pass those of one date: risk_model(X, groupby=...)."
                )
            date, styles, groups = self._newest
            labels = {name: groups[name] for name in groups}
        else:
            date, styles = self._of_one_date(X)
            labels = dict(self._labels_of(X, groupby, len(styles)))
        columns = {"const": np.ones(len(styles))}
        for name, family in self._families().items():
            known = labels[name].notna().to_numpy()
            for label in family:
                columns[label] = np.where(known, labels[name].to_numpy() == label, np.nan)
        dummies = pd.DataFrame(columns, styles.index)
        return date, pd.concat([dummies, styles], axis=1)

    def _of_one_date(self, X: object) -> tuple[Hashable, pd.DataFrame]:
        if not isinstance(X, pd.DataFrame):
            raise ValueError("X has to be a DataFrame indexed by asset or by (date, asset).")
        values = validate_features(self, X, reset=False)
        date, assets = one_cross_section(X, self.date_level)
        return date, pd.DataFrame(values.astype(np.float64), assets, column_index(self._names))

    def _specific_returns(self) -> pd.DataFrame | None:
        """Residuals (n_dates, n_assets) of the last `fit`; None if they are not of all dates."""
        residuals = getattr(self, "residuals_", None)
        if residuals is None or residuals.index.nlevels < 2:
            return None
        panel = find_panel(residuals, n_rows=len(residuals), date_level=self.date_level)
        if panel is None or panel.assets is None or len(panel.dates) != len(self.dates_):
            return None
        table = np.full((len(panel.dates), len(panel.assets)), np.nan)
        table[panel.dates.codes, panel.assets.codes] = residuals.to_numpy()
        return pd.DataFrame(table, panel.dates.labels, panel.assets.labels)

    def _families(self) -> dict[Hashable, pd.Index]:
        groups = self.record_.slopes.groups
        return {} if groups is None else groups.families

    def _labels_of(
        self, X: ArrayLike, groupby: GroupLabels | None, n_rows: int
    ) -> dict[Hashable, pd.Series]:
        """Labels (n_rows,) of each family, from groupby or from the last ones of `fit`."""
        families = self._families()
        if not families:
            if groupby is not None:
                raise ValueError("The model was fitted without groupby=, which is passed here.")
            return {}
        assets = _assets_of(X, n_rows, self.date_level)
        if groupby is not None:
            found = _families(groupby, X, n_rows, assets)
            if list(found) != list(families):
                raise ValueError(
                    f"groupby= has the columns {list(found)}, and had {list(families)} in fit."
                )
            labels = {
                name: pd.Series(each.labels.to_numpy()[each.codes]) for name, each in found.items()
            }
        else:
            last = self.asset_groups_
            if last is None or assets is None:
                raise ValueError(
                    "The groups of these rows are not known: pass groupby=, as in fit. Without it "
                    "each asset has its last group of fit, where assets are in the index."
                )
            place = last.index.get_indexer(assets.labels)
            if (place < 0).any():
                raise ValueError(
                    f"The assets {list(assets.labels[place < 0])[:5]} had no group in fit. Pass "
                    "groupby= with the groups of all rows."
                )
            rows = place[assets.codes]
            labels = {name: last[name].iloc[rows].reset_index(drop=True) for name in families}
        for name, each in labels.items():
            unseen = each[each.notna() & ~each.isin(families[name])].unique()
            if len(unseen):
                raise ValueError(
                    f"The groups {list(unseen)[:5]} were not there in fit, so they have no return."
                )
        return labels

    def _premia_of_groups(
        self, X: ArrayLike, groupby: GroupLabels | None, n_rows: int
    ) -> Float64Array:
        total = np.zeros(n_rows)
        for labels in self._labels_of(X, groupby, n_rows).values():
            total += labels.map(self.premia_).to_numpy(dtype=np.float64)
        return total

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        return tags


def _assets_of(X: ArrayLike, n_rows: int, date_level: str | int | None) -> Labels | None:
    panel: Panel | None = find_panel(X, n_rows=n_rows, date_level=date_level)
    if panel is not None and panel.assets is not None:
        return panel.assets
    return assets_of_cross_section(X)


def _families(
    groupby: object, X: ArrayLike, n_rows: int, assets: Labels | None
) -> dict[Hashable, Labels]:
    """Labels of rows by family: one without a name, or the columns of a frame."""
    if groupby is None:
        return {}
    if isinstance(groupby, Mapping) or not hasattr(groupby, "columns"):
        return {"group": group_labels(groupby, X, n_rows, assets)}
    if not isinstance(groupby, pd.DataFrame):
        columns = {name: np.asarray(groupby[name]) for name in groupby.columns}  # type: ignore[index]  # a frame of polars
        groupby = pd.DataFrame(columns, X.index if isinstance(X, pd.DataFrame) else None)
    if not len(groupby.columns) or not groupby.columns.is_unique:
        raise ValueError("groupby= has no columns, or columns of one name. Name each family once.")
    return {name: group_labels(column, X, n_rows, assets) for name, column in groupby.items()}


def _codes(families: dict[Hashable, Labels], n_rows: int) -> IntArray:
    """Codes (n_families, n_rows) without a place for the missing label; the labels lose it, too."""
    for name, labels in families.items():
        if pd.isna(labels.labels).any():  # it is the last one
            codes = np.where(labels.codes == len(labels) - 1, -1, labels.codes)
            families[name] = Labels(codes, labels.labels[:-1])
    if len(families) == 1:  # without a copy
        return next(iter(families.values())).codes[None]
    columns = [labels.codes for labels in families.values()]
    return np.array(columns, dtype=np.intp).reshape(len(families), n_rows)


def _capitalizations(
    weights: object, X: ArrayLike, n_rows: int, kept: Callable[[], BoolArray]
) -> Float64Array | None:
    """Positive capitalizations of all rows that have a part in a regression, which are ``kept``."""
    if weights is None:
        return None
    try:
        values = np.asarray(weights, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"weights does not hold numbers: {error}.") from error
    lowest = values.min(initial=np.inf) if values.shape == (n_rows,) else 0.0
    if lowest > 0.0 and values.max(initial=0.0) < np.inf:  # NaN is neither
        check_same_rows(X, weights, "weights")
        return values
    known = np.isfinite(values) if values.ndim == 1 else np.zeros(0, dtype=bool)
    checked = check_row_weights(
        np.where(known, np.maximum(values, 0.0), 0.0)
        if values.shape == (n_rows,) and known.any()
        else values,
        X,
        n_rows,
        "weights",
    )
    assert checked is not None
    used = kept()
    bad = used & ~(known & (values > 0.0))
    if bad.any():
        counts = {
            "missing": int((used & np.isnan(values)).sum()),
            "infinite": int((used & np.isinf(values)).sum()),
            "zero": int((used & (values == 0.0)).sum()),
            "negative": int((used & (values < 0.0) & known).sum()),
        }
        found = ", ".join(f"{n} {what}" for what, n in counts.items() if n)
        raise ValueError(
            f"weights holds capitalizations that are not positive numbers in {int(bad.sum())} rows "
            f"with a return and exposures: {found}. Drop these rows, fill them from the asset's "
            "last date, or leave them out with sample_weight=0."
        )
    return np.where(known, np.maximum(values, 0.0), 0.0)

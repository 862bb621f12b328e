"""ReturnPCA: latent factors of returns by principal components."""

from __future__ import annotations

from typing import ClassVar

from skfactor.decomposition._wide_factors import WIDE_CONSTRAINTS, WideFactors


class ReturnPCA(WideFactors):
    r"""Latent factors of wide returns by principal components, with missing returns too.

    Loadings are the first eigenvectors of the returns' covariance, or of their second moments
    (asymptotic principal components [1]_), and factors are the returns of portfolios with these
    loadings for weights.

    Parameters
    ----------
    n_components : int or str, default=5
        Number of factors, or a rule of `n_factors` by which to choose it, such as ``"bic3"``, from
        the assets without missing returns.
    center : bool, default=True
        Whether to take the means of the returns out before, which makes it the covariance.
    scale : bool, default=False
        Whether to divide returns by their standard deviations for the eigenvectors; loadings are
        in the units of the returns again.
    missing : {"raise", "pairwise", "em", "project"}, default="raise"
        What to do about missing returns; see `RiskPremiumPCA`.

    Attributes
    ----------
    loadings_ : DataFrame of shape (n_assets, n_components)
        Exposures of the assets. Without ``scale`` their columns are orthogonal and have the length
        of root n_assets.
    weights_ : DataFrame of shape (n_assets, n_components)
        Portfolios whose returns are the factors.
    factors_ : DataFrame of shape (n_periods, n_components)
        Returns of the factors, of returns as they are: with ``center`` too they have averages,
        which are not negative.
    premia_ : Series of shape (n_components,)
        Their averages.
    components_ : ndarray of shape (n_components, n_assets)
        Eigenvectors of length 1.
    eigenvalues_ : ndarray of shape (min(n_periods, n_assets),)
        All eigenvalues, descending, divided by the number of assets.
    alphas_ : Series of shape (n_assets,)
        Average returns that loadings and premia leave; zero with ``center=False``.
    max_sharpe_ : float
        Largest Sharpe ratio per period of portfolios of the factors, divisor n_periods.
    rms_alpha_ : float
        Root mean square of the assets' intercepts in regressions on the factors.
    unexplained_variance_ratio_ : float
        Average variance of the residuals of these regressions over that of the returns.
    n_components_ : int
        Number of factors.
    n_features_in_ : int
        Number of assets.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    RiskPremiumPCA : Explains average returns, too.
    n_factors : How many.

    Notes
    -----
    scikit-learn's ``PCA`` has the same directions. Here factors keep their averages, the premia,
    loadings have the size that makes factors averages of returns, and returns may be missing.

    References
    ----------
    .. [1] Connor, G. and R. A. Korajczyk (1986), "Performance Measurement with the Arbitrage
       Pricing Theory: A New Framework for Analysis", Journal of Financial Economics 15(3), 373-394.
       https://doi.org/10.1016/0304-405X(86)90027-9

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.decomposition import ReturnPCA
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> model = ReturnPCA(2).fit(returns)
    >>> model.premia_.round(4).tolist()
    [0.0073, 0.0003]
    >>> round(float(model.risk_model().covariance().loc["S1V1", "S1V1"]), 5)
    0.00581
    """

    _parameter_constraints: ClassVar = {**WIDE_CONSTRAINTS, "center": ["boolean"]}

    def __init__(
        self,
        n_components: int | str = 5,
        *,
        center: bool = True,
        scale: bool = False,
        missing: str = "raise",
    ) -> None:
        self.n_components = n_components
        self.center = center
        self.scale = scale
        self.missing = missing

    @property
    def _weight_of_means(self) -> float:
        return -1.0 if self.center else 0.0

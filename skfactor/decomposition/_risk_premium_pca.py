"""RiskPremiumPCA: latent factors that explain average returns too."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

from skfactor._sklearn import Interval
from skfactor.decomposition._wide_factors import WIDE_CONSTRAINTS, WideFactors


class RiskPremiumPCA(WideFactors):
    r"""Latent factors of wide returns that explain both their variation and their averages.

    Principal components find the factors that move returns most; factors that earn much and move
    little escape them. With the weight ``gamma`` on average returns the loadings are the first
    eigenvectors of [1]_ [2]_

    .. math:: \frac{1}{T} \sum_t x_t x_t' + \gamma \bar x \bar x' .

    Parameters
    ----------
    n_components : int or str, default=5
        Number of factors, or a rule of `n_factors` by which to choose it, such as ``"bic3"``, from
        the assets without missing returns.
    gamma : float, default=10.0
        Weight of average returns. -1 is the principal components of the covariance (`ReturnPCA`),
        0 those of second moments; the authors use 10 to 20 for monthly returns.
    scale : bool, default=False
        Whether to divide returns by their standard deviations for the eigenvectors; loadings are
        in the units of the returns again.
    missing : {"raise", "pairwise", "em", "project"}, default="raise"
        What to do about missing returns:

        - ``"pairwise"``: moments over what each pair of assets has in common [3]_.
        - ``"em"``: fill them from the factors, repeatedly, until nothing changes [4]_.
        - ``"project"``: factors of the complete columns first, which then fill the others [5]_.

        Factors of a period are regressions of the returns that are there on their loadings.

    Attributes
    ----------
    loadings_ : DataFrame of shape (n_assets, n_components)
        Exposures of the assets. Without ``scale`` their columns are orthogonal and have the length
        of root n_assets.
    weights_ : DataFrame of shape (n_assets, n_components)
        Portfolios whose returns are the factors, loadings times the inverse of their
        cross-products.
    factors_ : DataFrame of shape (n_periods, n_components)
        Returns of the factors; their averages are not negative.
    premia_ : Series of shape (n_components,)
        Their averages.
    components_ : ndarray of shape (n_components, n_assets)
        Eigenvectors of length 1.
    eigenvalues_ : ndarray of shape (min(n_periods, n_assets),)
        All eigenvalues, descending, divided by the number of assets.
    alphas_ : Series of shape (n_assets,)
        Returns of assets when all factors are zero; zero unless means are taken out.
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
    ReturnPCA : Variation alone.
    n_factors : How many.

    Notes
    -----
    The factors are those of the returns as they are, :math:`F = X \Lambda (\Lambda'\Lambda)^{-1}`,
    so that they have averages. Rotations of factors fit as well: single ones mean nothing, what
    they span does. Excess returns are what premia are made of: take the risk-free rate off.

    References
    ----------
    .. [1] Lettau, M. and M. Pelger (2020), "Factors That Fit the Time Series and Cross-Section of
       Stock Returns", Review of Financial Studies 33(5), 2274-2325.
       https://doi.org/10.1093/rfs/hhaa020
    .. [2] Lettau, M. and M. Pelger (2020), "Estimating Latent Asset-Pricing Factors", Journal of
       Econometrics 218(1), 1-31. https://doi.org/10.1016/j.jeconom.2019.08.012
    .. [3] Xiong, R. and M. Pelger (2023), "Large Dimensional Latent Factor Modeling with Missing
       Observations and Applications to Causal Inference", Journal of Econometrics 233(1), 271-301.
       https://doi.org/10.1016/j.jeconom.2022.04.005
    .. [4] Stock, J. H. and M. W. Watson (2002), "Macroeconomic Forecasting Using Diffusion
       Indexes", Journal of Business & Economic Statistics 20(2), 147-162.
       https://doi.org/10.1198/073500102317351921
    .. [5] Cahan, E., J. Bai and S. Ng (2023), "Factor-Based Imputation of Missing Values and
       Covariances in Panel Data of Large Dimensions", Journal of Econometrics 233(1), 113-131.
       https://doi.org/10.1016/j.jeconom.2022.01.006

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.decomposition import ReturnPCA, RiskPremiumPCA
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> round(ReturnPCA(3).fit(returns).max_sharpe_, 3)
    0.26
    >>> model = RiskPremiumPCA(3).fit(returns)
    >>> round(model.max_sharpe_, 3)
    0.356
    >>> model.transform(returns).shape
    (819, 3)
    """

    _parameter_constraints: ClassVar = {
        **WIDE_CONSTRAINTS,
        "gamma": [Interval(Real, -1, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int | str = 5,
        *,
        gamma: float = 10.0,
        scale: bool = False,
        missing: str = "raise",
    ) -> None:
        self.n_components = n_components
        self.gamma = gamma
        self.scale = scale
        self.missing = missing

    @property
    def _weight_of_means(self) -> float:
        return float(self.gamma)

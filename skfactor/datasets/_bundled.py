"""Bundled data sets: small files that come with the package, so that nothing is downloaded."""

from __future__ import annotations

from importlib import resources

import pandas as pd


def _read(name: str) -> pd.DataFrame:
    """Read a bundled file, its first column as dates."""
    path = resources.files("skfactor.datasets") / "data" / f"{name}.csv.gz"
    with path.open("rb") as file:
        data = pd.read_csv(file, compression="gzip", index_col=0, parse_dates=True)
    return data.rename_axis(index="date")


def load_french() -> pd.DataFrame:
    """Load monthly US factors and portfolios from Kenneth R. French's data library.

    Returns
    -------
    DataFrame of shape (819, 35)
        One row per month, 1949-01 to 2017-03, a PeriodIndex named "date". Simple returns in
        decimals, 0.01 is one percent:

        - ``MktRF``, ``SMB``, ``HML``, ``Mom``: the market in excess of the risk-free rate, and the
          size, value and momentum factors, long-short.
        - ``RF``: the risk-free rate.
        - ``NoDur`` to ``Other``: twelve industries.
        - ``S1V1`` to ``S5V5``: size quintile (1 is small) by book-to-market quintile (1 is low).
        - ``S1M1`` to ``S5M5``: size quintile by momentum quintile (1 is losers).

        The portfolios are **total** returns: subtract ``RF`` before you hold them against the
        factors.

    See Also
    --------
    skfactor.frames.excess_returns : Subtract the risk-free rate.

    Notes
    -----
    The returns are those of Eugene F. Fama and Kenneth R. French. Cite the data library [1]_ where
    you use them. The file is the one in linearmodels (Kevin Sheppard, NCSA licence),
    ``linearmodels.datasets.french``.

    References
    ----------
    .. [1] Kenneth R. French, Data Library,
       https://mba.tuck.dartmouth.edu/pages/faculty/ken.french/data_library.html

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> french = load_french()
    >>> french.loc["2008-09":"2008-11", ["MktRF", "RF", "Money"]]
              MktRF      RF   Money
    date
    2008-09 -0.0924  0.0015 -0.0422
    2008-10 -0.1723  0.0008 -0.2003
    2008-11 -0.0786  0.0003 -0.1387
    """
    return _read("french").to_period("M")


def load_stocks() -> pd.DataFrame:
    """Load daily prices of twenty large US stocks.

    Returns
    -------
    DataFrame of shape (8313, 20)
        Closing prices in US dollars, adjusted for splits and dividends. One row a trading day,
        1990-01-02 to 2022-12-28, a DatetimeIndex named "date"; one column a ticker, "asset".
        Nothing is missing.

    See Also
    --------
    skfactor.frames.returns_from_prices : Returns at any frequency.

    Notes
    -----
    All twenty companies lived through the whole span, so their average return says nothing about
    stocks in general (survivorship). The file is the one in skfolio (BSD-3-Clause licence),
    ``skfolio.datasets.load_sp500_dataset``.

    Examples
    --------
    >>> from skfactor.datasets import load_stocks
    >>> load_stocks().iloc[-2:, :4]
    asset          AAPL    AMD     BAC     BBY
    date
    2022-12-27  129.652  63.27  32.065  79.930
    2022-12-28  125.674  62.57  32.301  78.279
    """
    return _read("stocks").rename_axis(columns="asset")


def load_factor_etfs() -> pd.DataFrame:
    """Load daily prices of five US factor exchange-traded funds.

    Returns
    -------
    DataFrame of shape (2264, 5)
        Closing prices in US dollars, adjusted for splits and dividends. One row a trading day,
        2014-01-02 to 2022-12-28, a DatetimeIndex named "date". The columns are ``MTUM``
        (momentum), ``QUAL`` (quality), ``SIZE``, ``USMV`` (minimum volatility) and ``VLUE``
        (value). Nothing is missing.

    See Also
    --------
    load_sp500 : The market, which is not among them.

    Notes
    -----
    The funds are long only: each holds the market besides its factor. The file is the one in
    skfolio (BSD-3-Clause licence), ``skfolio.datasets.load_factors_dataset``.

    Examples
    --------
    >>> from skfactor.datasets import load_factor_etfs
    >>> load_factor_etfs().tail(2)
                   MTUM     QUAL     SIZE    USMV    VLUE
    date
    2022-12-27  145.443  113.394  112.689  71.888  89.842
    2022-12-28  143.730  111.883  111.121  71.134  88.473
    """
    return _read("factor_etfs")


def load_sp500() -> pd.DataFrame:
    """Load daily closes of the S&P 500 index.

    Returns
    -------
    DataFrame of shape (8313, 1)
        The index in points, without dividends. One row a trading day, 1990-01-02 to 2022-12-28, a
        DatetimeIndex named "date"; the column is ``SP500``. Nothing is missing.

    See Also
    --------
    load_factor_etfs : Factor funds to set beside the market.

    Notes
    -----
    The file is the one in skfolio (BSD-3-Clause licence), ``skfolio.datasets.load_sp500_index``.

    Examples
    --------
    >>> from skfactor.datasets import load_sp500
    >>> load_sp500().tail(2)
                  SP500
    date
    2022-12-27  3829.25
    2022-12-28  3783.22
    """
    return _read("sp500_index")

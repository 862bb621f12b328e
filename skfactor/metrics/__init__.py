"""How good predictions of returns are: measures by date, their errors, and scorers."""

from skfactor.metrics._forecast_comparison import ForecastComparison, compare_forecasts
from skfactor.metrics._forecast_evaluation import ForecastEvaluation
from skfactor.metrics._forecasts import evaluate_forecasts
from skfactor.metrics._ic import ic, ic_by_date, ic_by_group, icir, rank_ic
from skfactor.metrics._mean_inference import MeanInference, infer_mean
from skfactor.metrics._quantiles import long_short_sharpe, quantile_returns_by_date
from skfactor.metrics._r2 import cross_sectional_r2_score, pricing_rmse, r2_zero
from skfactor.metrics._scorers import (
    ForecastScorer,
    cross_sectional_r2_scorer,
    get_scorer,
    ic_scorer,
    icir_scorer,
    long_short_sharpe_scorer,
    neg_pricing_rmse_scorer,
    neg_quantile_turnover_scorer,
    r2_zero_scorer,
    rank_autocorrelation_scorer,
    rank_ic_scorer,
)
from skfactor.metrics._stability import (
    quantile_turnover,
    quantile_turnover_by_date,
    rank_autocorrelation,
    rank_autocorrelation_by_date,
)
from skfactor.metrics._total_r2 import total_r2_scorer

__all__ = [
    "ForecastComparison",
    "ForecastEvaluation",
    "ForecastScorer",
    "MeanInference",
    "compare_forecasts",
    "cross_sectional_r2_score",
    "cross_sectional_r2_scorer",
    "evaluate_forecasts",
    "get_scorer",
    "ic",
    "ic_by_date",
    "ic_by_group",
    "ic_scorer",
    "icir",
    "icir_scorer",
    "infer_mean",
    "long_short_sharpe",
    "long_short_sharpe_scorer",
    "neg_pricing_rmse_scorer",
    "neg_quantile_turnover_scorer",
    "pricing_rmse",
    "quantile_returns_by_date",
    "quantile_turnover",
    "quantile_turnover_by_date",
    "r2_zero",
    "r2_zero_scorer",
    "rank_autocorrelation",
    "rank_autocorrelation_by_date",
    "rank_autocorrelation_scorer",
    "rank_ic",
    "rank_ic_scorer",
    "total_r2_scorer",
]

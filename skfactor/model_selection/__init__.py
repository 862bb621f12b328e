"""Splitters that keep dates whole, out-of-sample predictions, comparisons and leak tests."""

from skfactor.model_selection._combinatorial_purged_k_fold import CombinatorialPurgedKFold
from skfactor.model_selection._compare import compare_factor_sets
from skfactor.model_selection._factor_set_search import FactorSetSearchCV
from skfactor.model_selection._importance import forecast_importance
from skfactor.model_selection._lookahead import Lookahead, check_no_lookahead
from skfactor.model_selection._purged_k_fold import PurgedKFold
from skfactor.model_selection._set_moments import DateMoments
from skfactor.model_selection._set_tests import ConfidenceSet, SuperiorityTest
from skfactor.model_selection._walk_forward_predict import WalkForwardFit, walk_forward_predict
from skfactor.model_selection._walk_forward_split import WalkForwardSplit

__all__ = [
    "CombinatorialPurgedKFold",
    "ConfidenceSet",
    "DateMoments",
    "FactorSetSearchCV",
    "Lookahead",
    "PurgedKFold",
    "SuperiorityTest",
    "WalkForwardFit",
    "WalkForwardSplit",
    "check_no_lookahead",
    "compare_factor_sets",
    "forecast_importance",
    "walk_forward_predict",
]

"""The same estimators on Dask DataFrames: a date never leaves one worker.

Needs the extra ``distributed``: ``pip install "skfactor[distributed]"``.
"""

from skfactor.distributed._apply import predict, transform
from skfactor.distributed._fit import fit

__all__ = ["fit", "predict", "transform"]

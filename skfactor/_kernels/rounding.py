"""What rounding may do to a number: every threshold of that kind, with its reason.

Numbers in double precision have about 16 digits. Sums and products lose some of them, so that a
quantity that is zero in theory comes out small. A threshold says how small it may be and still be
taken for zero, or from where on the digits left are too few and another way is taken.
"""

from __future__ import annotations

import numpy as np

EPSILON = float(np.finfo(np.float64).eps)
# Sums of fourth powers of smaller values, as variances of products are made of, are finite.
LARGEST = 1e75
# Weights that halve more often than this, over one period, leave no other one: 2^-1000 is 1e-301.
SHORTEST_HALFLIFE = 1e-3
# Instead of a divisor of zero; its square root and its inverse are numbers, too.
TINY = 1e-300

# --- spread and what is left of values, in units in the last place of the values ----------------

# A spread of a few units is what storing and averaging equal values leaves: it is no variation.
ROUNDING_UNITS = 8.0
# Rounding of the values reaches the singular values of standardized columns times about this.
RANK_UNITS = 32.0

# --- differences of large numbers ---------------------------------------------------------------

# Below this share of what it was taken from, a difference has lost two digits: those of moments,
# which may be taken again at little cost.
TWO_DIGITS_LOST = 1e-2
# ... and five, where taking it again costs a pass over the data: eleven digits are enough.
FIVE_DIGITS_LOST = 1e-5
# A sum of squares that is found as a difference is nothing below this share of the whole: products
# over thousands of rows are rounded about there.
SHARE_LEFT = 1e-13
# The same where residuals themselves are squared: a part of 1e-12 of the values is rounding.
SQUARES_LEFT = 1e-24
# ... and of a factor 1e-10, which users make of others by ways that keep some digits fewer.
FACTORS_LEFT = 1e-20
# Scores of the rows of a regression add up to zero, except for this share of their absolute values.
SCORES_LEFT = 1e-7

# Scores that differ by this share of one are tied: they are sums over many rows.
TIED = 1e-12

# --- normal equations, and matrices to be inverted ----------------------------------------------

# Squared pivot of a correlation matrix from which on its normal equations are solved as they are:
# they lose as many digits as it has, and twelve are left. Below, the data are factorized.
SAFE_PIVOT = 1e-4
# ... if what centring leaves of a sum of squares is at least this share of its level, squared.
SAFE_SPREAD = 1e-9
# Rolling sums are differences already, and factorizing each window is slow: ten digits are enough.
ROLLING_PIVOT = 1e-6
ROLLING_SPREAD = 1e-6
# Squared pivot that rounding alone may leave of a singular correlation matrix, for each row of it.
PIVOT_UNITS = 64.0 * EPSILON
# Squared pivot of correlations of factors whose inverse has five digits left.
FACTOR_PIVOT = 1e-10
# Smallest correlation of factors with portfolios of assets that is not zero: rounding leaves 1e-15
# of one, and no sample tells one of 1e-10 from none.
LOADING = 1e-10
# Smallest eigenvalue of the scaled cross-products of measured betas that are not collinear.
MEASURED_BETAS = 1e-12
# An eigenvalue of a correlation matrix is negative below minus this: matrices that users estimated
# and rounded have about ten digits.
NEGATIVE_EIGENVALUE = 1e-10
# Pivot of the correlations of moments, not squared: the root of what rounding leaves.
MOMENT_PIVOT = 1e-7
# A standard deviation below this share of the largest is zero: units differ, but hardly so much.
SMALLEST_DEVIATION = 1e-14
SMALLEST_VARIANCE = SMALLEST_DEVIATION**2

# --- comparisons of numbers ---------------------------------------------------------------------

# A level times a count is a whole number up to this share of the count: 10 * (1 - 0.9) is 1.
LEVEL_ROUNDING = 1e-12
# The same where values are interpolated, which nothing but rounding may move off a value.
PLACE_ROUNDING = 4.0 * EPSILON
# Slopes that are computed again from other data are the same if they differ by no more.
SAME_SLOPES = 1e-6
# Estimates without errors that differ by less than this share are the same.
SAME_ESTIMATE = 1e-9
# Missing values are filled until steps change them by less than this share of a deviation.
SAME_FILLED = 1e-7
# Steps of a robust regression end where residuals change by less than this share of their scale.
HUBER_CHANGE = 1e-11
# A lag window narrower than this has no weight on any lag, and dividing by it would overflow.
NO_LAGS = 1e-8

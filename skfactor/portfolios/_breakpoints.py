"""What divides assets into portfolios: quantiles, values, or numbers of assets at both ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from skfactor._kernels.quantiles import segment_order_statistics, segment_quantiles
from skfactor._kernels.segments import Segments
from skfactor._typing import Float64Array, FloatArray

Kind = Literal["quantiles", "breakpoints", "n_extreme"]
# Portfolios of a column of which nothing says how many.
_DEFAULT = 5
# More portfolios than this no cross-section fills.
_MOST = 10**6


@dataclass(frozen=True)
class Rule:
    """How one column is divided into ``n_portfolios``."""

    kind: Kind
    values: tuple[float, ...]  # levels or breakpoints, ascending; a number of assets

    @property
    def n_portfolios(self) -> int:
        """Number of portfolios."""
        return 3 if self.kind == "n_extreme" else len(self.values) + 1

    @property
    def fewest(self) -> int:
        """Number of values that it takes to tell the breakpoints."""
        if self.kind == "n_extreme":
            return 2 * int(self.values[0])
        return self.n_portfolios if self.kind == "quantiles" else 0

    def table(self, values: FloatArray, segments: Segments, closed: str) -> Float64Array:
        """Breakpoints (n_segments, n_portfolios - 1) from values (n_rows,); NaN is left out."""
        if self.kind == "breakpoints":
            return np.tile(self.values, (len(segments), 1))
        if self.kind == "quantiles":
            levels: list[tuple[float, Literal["lower", "upper"]]]
            levels = [(level, "lower") for level in self.values]
            tables = segment_quantiles(values[None], segments, levels)
        else:
            # A portfolio ends with its own last asset, or where the next one starts.
            n = int(self.values[0])
            ranks = (n - 1, -n - 1) if closed == "right" else (n, -n)
            tables = segment_order_statistics(values[None], segments, ranks)
        return np.column_stack([table[:, 0] for table in tables])


def find_rules(
    names: Sequence[Any], n_portfolios: Any, quantiles: Any, breakpoints: Any, n_extreme: Any
) -> list[Rule]:
    """The rule of each column; each parameter is for all columns, or a dict for those it names.

    ``n_portfolios`` as a number is for the columns that nothing else is for, five by default.
    """
    given = {"quantiles": quantiles, "breakpoints": breakpoints, "n_extreme": n_extreme}
    if isinstance(n_portfolios, Mapping):
        given = {"n_portfolios": n_portfolios, **given}
    for parameter, value in given.items():
        unknown = [name for name in value if name not in names] if _is_dict(value) else []
        if unknown:
            raise ValueError(f"{parameter} names {unknown}, which are not among {list(names)}.")
    rules, n_plain = [], 0
    for name in names:
        found = {
            parameter: value[name] if _is_dict(value) else value
            for parameter, value in given.items()
            if value is not None and (not _is_dict(value) or name in value)
        }
        if len(found) > 1:
            raise ValueError(
                f"{' and '.join(found)} all say how to divide {name!r}. Give one of them; dicts "
                "by column name give each column its own."
            )
        if not found and isinstance(n_portfolios, Mapping):
            raise ValueError(f"n_portfolios says nothing of {name!r}: give each column a number.")
        n_plain += not found
        plain = _DEFAULT if n_portfolios is None else n_portfolios
        parameter, value = next(iter(found.items()), ("n_portfolios", plain))
        rules.append(_rule(parameter, value))
    if n_portfolios is not None and not _is_dict(n_portfolios) and not n_plain:
        used = [parameter for parameter, value in given.items() if value is not None]
        raise ValueError(
            f"n_portfolios={n_portfolios!r} divides no column: {' and '.join(used)} "
            f"{'says' if len(used) == 1 else 'say'} how all are divided. Leave one of them out."
        )
    return rules


def _is_dict(value: object) -> bool:
    return isinstance(value, Mapping)


def _rule(parameter: str, value: Any) -> Rule:
    if parameter == "n_portfolios":
        n = _whole(parameter, value, 2)
        if n > _MOST:
            raise ValueError(f"n_portfolios={n} is more than {_MOST}. Take fewer portfolios.")
        return Rule("quantiles", tuple(k / n for k in range(1, n)))
    if parameter == "n_extreme":
        return Rule("n_extreme", (float(_whole(parameter, value, 1)),))
    try:
        points = np.asarray(value, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{parameter} does not hold numbers: {value!r}.") from error
    if points.ndim != 1 or not len(points):
        raise ValueError(
            f"{parameter} is a list of at least one number, or a dict of such lists by column "
            f"name; found {value!r}."
        )
    if not np.isfinite(points).all() or (np.diff(points) <= 0.0).any():
        raise ValueError(f"{parameter} has to be finite and ascending; found {list(value)}.")
    if parameter == "breakpoints":
        return Rule("breakpoints", tuple(points.tolist()))
    if points[0] <= 0.0 or points[-1] >= 1.0:
        raise ValueError(f"quantiles are levels strictly between 0 and 1; found {list(value)}.")
    return Rule("quantiles", tuple(points.tolist()))


def _whole(parameter: str, value: Any, least: int) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ValueError(f"{parameter} has to be a whole number from {least} on; found {value!r}.")
    return int(value)

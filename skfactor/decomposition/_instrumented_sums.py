"""What is kept of the dates of a panel to fit instrumented components: it adds up over dates."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skfactor._dates import dates_of_both
from skfactor._kernels.instrumented import DateSums
from skfactor._kernels.records import Record
from skfactor._typing import Float64Array


@dataclass(frozen=True, eq=False)
class InstrumentedSums(Record):
    """Sums of dates, ascending; ``a + b`` are those of the dates of both."""

    sums: DateSums
    dates: pd.Index  # (T,)
    observed: pd.DataFrame  # (T, M) observed factors
    names: tuple[Hashable, ...]  # of the characteristics, with the constant
    has_dates: bool  # or the cross-sections are numbered
    has_text_names: bool  # whether the characteristics came with such names

    def __add__(self, other: InstrumentedSums) -> InstrumentedSums:
        """Sums of the dates of both; raise if a date is in both, or the models differ."""
        if list(self.observed.columns) != list(other.observed.columns):
            raise ValueError(
                f"Earlier calls had the factors {list(self.observed.columns)}, and the factors "
                f"are {list(other.observed.columns)} here."
            )
        if self.names != other.names:
            raise ValueError(
                f"Sums of {list(self.names)} and of {list(other.names)} are of different models. "
                "Use the same characteristics and add_constant for all dates."
            )
        dates = dates_of_both(self.dates, other.dates, had=self.has_dates, has=other.has_dates)
        order = np.asarray(dates.argsort())
        observed = pd.concat([self.observed, other.observed], ignore_index=True)
        return InstrumentedSums(
            self.sums.join(other.sums).take(order),
            dates[order],
            observed.iloc[order].reset_index(drop=True),
            self.names,
            self.has_dates,
            self.has_text_names,
        )

    @property
    def factors(self) -> Float64Array:
        """The observed factors (T, M) as numbers."""
        return self.observed.to_numpy(dtype=np.float64)

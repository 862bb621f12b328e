"""Results as records: values that are stored, and others that are made from them when asked for."""

from __future__ import annotations

from dataclasses import fields


class Record:
    """A dataclass that is pickled without what it can make again.

    So what reads a model leaves it as it was, to the byte.
    """

    def __getstate__(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]  # subclasses are dataclasses

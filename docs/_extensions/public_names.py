"""Public names, and the pages of the API reference that hold them."""

from __future__ import annotations

import importlib
import pkgutil
from itertools import takewhile
from types import ModuleType

import skfactor


def public_modules() -> list[str]:
    """The package and its modules without a leading underscore."""
    below = (module.name for module in pkgutil.iter_modules(skfactor.__path__, "skfactor."))
    return ["skfactor", *(name for name in below if not name.split(".")[-1].startswith("_"))]


def pages() -> dict[str, str]:
    """The page of every public name, by each path under which it can be imported."""
    found = {}
    for path in public_modules():
        module = importlib.import_module(path)
        for name in module.__all__:
            found[f"{path}.{name}"] = f"{_home(module, name)}.{name}"
    return found


def _home(module: ModuleType, name: str) -> str:
    """The public module below which a name is defined, as in the links of estimators."""
    pieces = getattr(module, name).__module__.split(".")
    home = ".".join(takewhile(lambda piece: not piece.startswith("_"), pieces))
    listed = getattr(importlib.import_module(home), "__all__", ())
    return home if home != "skfactor" and name in listed else module.__name__

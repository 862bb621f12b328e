"""The examples in the docstrings of the installed package print what they say."""

import doctest
import importlib
import pkgutil

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

import skfactor

MODULES = ["skfactor"] + [
    module.name for module in pkgutil.walk_packages(skfactor.__path__, prefix="skfactor.")
]


@pytest.fixture(autouse=True)
def _without_windows():
    mpl.use("Agg")
    yield
    plt.close("all")


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_print_what_they_say(name):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    results = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert results.failed == 0


def test_there_are_docstring_examples_to_run():
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [
        example
        for name in MODULES
        for test in finder.find(importlib.import_module(name))
        for example in test.examples
    ]
    assert len(examples) > 50

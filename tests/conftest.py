"""An option for releases on which calls can fail where numbers do not differ; what saves time."""

import gc
from itertools import groupby

from hypothesis import settings

# A third of the usual number of examples. Machines that are busy are slow, which is no failure.
settings.register_profile("these tests", max_examples=30, deadline=None)
settings.load_profile("these tests")


def pytest_addoption(parser):
    parser.addoption(
        "--few-cases",
        action="store_true",
        help="of each parametrized test, run the first case only",
    )


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--few-cases"):
        return
    kept, left_out = [], []
    for _, cases in groupby(items, lambda item: item.nodeid.partition("[")[0]):
        first, *others = cases
        kept.append(first)
        left_out += others
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def pytest_collection_finish():
    # Libraries and tests stay to the end: no collection of garbage has to look through them.
    gc.collect()
    gc.freeze()

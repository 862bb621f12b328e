"""An option for releases on which calls can fail where numbers do not differ."""

from itertools import groupby


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

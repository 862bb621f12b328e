"""Time and memory by the number of rows: in memory, streaming, and a Dask cluster of 2 workers.

``python benchmarks/scaling.py --folder DIR``; the lines of docs/scaling.md.
"""

import argparse
from pathlib import Path

from large_panel import write_panel
from streaming import in_own_process
from timing import print_machine, print_table

# Years of 4,000 assets, and dates in each, by the number of rows.
SIZES = {100_000: (1, 25), 1_000_000: (1, 250), 10_000_000: (10, 250), 100_000_000: (100, 250)}
ALL = ("read", "in_memory", "stream", "cluster")
# What more rows than these would have to hold in memory is left out.
MOST_IN_MEMORY = 10_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--most", type=int, default=max(SIZES), help="rows; 10^8 take 10 GB")
    arguments = parser.parse_args()
    rows = []
    for n_rows, (n_years, n_dates) in SIZES.items():
        if n_rows > arguments.most:
            break
        folder = arguments.folder / str(n_rows)
        write_panel(folder, n_years, n_dates)
        in_own_process("read", folder, 1)  # brings the files into the page cache
        for name in ALL:
            if name == "in_memory" and n_rows > MOST_IN_MEMORY:
                continue
            measured = in_own_process(name, folder, 3)
            row = {"rows": n_rows, "what": name, "seconds": measured["seconds"]}
            rows.append({**row, "MB": max(measured["MB"], measured.get("worker MB", 0.0))})
    print_machine("pyarrow", "dask")
    print_table("Medians of three; of the cluster, the largest process", rows)


if __name__ == "__main__":
    main()

"""Run every comparison, and write what they print as one page and as one JSON file.

Each is a process of its own: memory and threads of one do not weigh on the next. The figures go
to results.md and results.json beside this file. Names of scripts run these alone.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
SCRIPTS = (
    "fama_macbeth",
    "inference",
    "preprocessing",
    "neutralize",
    "rolling_betas",
    "portfolios",
    "metrics",
    "workflow",
    "many_characteristics",
    "factor_sets",
    "latent_factors",
    "latent_size",
    "streaming",
    "scaling",
)
# What a script is started with; {folder} is one that is removed in the end.
ARGUMENTS = {
    "many_characteristics": ["720"],
    "streaming": ["--folder", "{folder}/streaming"],
    "scaling": ["--folder", "{folder}/scaling", "--most", "10_000_000"],
}


def run(script: str, log: Path) -> list[dict]:
    """What a script prints, as the records that `timing` writes to the log."""
    print(f"== {script}", flush=True)
    environment = {**os.environ, "BENCHMARK_LOG": str(log)}
    arguments = [each.format(folder=log.parent) for each in ARGUMENTS.get(script, [])]
    command = [sys.executable, f"{script}.py", *arguments]
    subprocess.run(command, cwd=HERE, env=environment, check=True)
    records = [json.loads(line) for line in log.read_text().splitlines()]
    log.unlink()
    return [{"script": script, **record} for record in records]


def page(records: list[dict]) -> str:
    """Markdown with a table for each record."""
    parts = ["# Results", ""]
    for record in records:
        if "machine" in record:
            parts += [f"## {record['script']}.py", "", record["machine"], ""]
            continue
        table = pd.DataFrame(record["rows"])
        lines = [list(table.columns)]
        lines += [[_text(value) for value in row] for row in table.itertuples(index=False)]
        rule = "|".join("---" for _ in table.columns)
        rows = [f"| {' | '.join(line)} |" for line in lines]
        parts += [record["title"], "", rows[0], f"|{rule}|", *rows[1:], ""]
    return "\n".join(parts)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(scripts: list[str]) -> None:
    """Run scripts; the records of others, from an earlier run, stay in the page."""
    results = HERE / "results.json"
    kept = json.loads(results.read_text()) if results.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.jsonl")
        records = [record for script in scripts for record in run(script, log)]
    records += [record for record in kept if record["script"] not in scripts]
    records.sort(key=lambda record: SCRIPTS.index(record["script"]))
    results.write_text(json.dumps(records, indent=1) + "\n")
    (HERE / "results.md").write_text(page(records))


if __name__ == "__main__":
    main(sys.argv[1:] or list(SCRIPTS))

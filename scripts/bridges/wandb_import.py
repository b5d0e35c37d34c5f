#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sends a run that `apus export RUN --to wandb --out FOLDER` wrote to Weights & Biases (pip install wandb).

  scripts/bridges/wandb_import.py FOLDER --project NAME [--name RUN]    log in first: wandb login
  scripts/bridges/wandb_import.py FOLDER --project NAME --offline       write a local wandb run; `wandb sync` sends it later
"""
import argparse, json, sys

WORDS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def numbers(row):
    return {key: WORDS.get(value, value) if isinstance(value, str) else value for key, value in row.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--project", required=True)
    parser.add_argument("--name")
    parser.add_argument("--offline", action="store_true")
    given = parser.parse_args()
    try:
        import wandb
    except ImportError:
        sys.exit("error: the wandb package is missing: pip install wandb")
    with open(given.folder + "/config.json") as file:
        config = json.load(file)
    with open(given.folder + "/summary.json") as file:
        summary = json.load(file)
    mode = "offline" if given.offline else "online"
    # wandb's own measurements would be those of this import.
    settings = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off")
    run = wandb.init(project=given.project, name=given.name, config=config, mode=mode, settings=settings)
    rows = 0
    with open(given.folder + "/history.jsonl") as file:
        for line in file:
            row = numbers(json.loads(line))
            step = row.pop("_step")
            # W&B stamps its rows with the time of the import; the run's own clock is kept under names of its own.
            row["time/seconds"] = row.pop("_runtime", None)
            row["time/unix"] = row.pop("_timestamp", None)
            run.log({key: value for key, value in row.items() if value is not None}, step=step)
            rows += 1
    for key, value in numbers(summary).items():
        if not key.startswith("_"):
            run.summary[key] = value
    folder = run.dir
    run.finish()
    print(f"{rows} steps sent to {given.project}" if not given.offline else f"{rows} steps written to {folder}")


if __name__ == "__main__":
    main()

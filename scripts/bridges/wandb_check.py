#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks `apus export --to wandb` with the wandb package: scripts/bridges/wandb_check.py FOLDER

Imports the folder offline (wandb_import.py), reads back the record that wandb itself wrote, and compares every number of the history
and every key of the configuration. Nothing leaves the machine.
"""
import glob, json, os, subprocess, sys, tempfile
from wandb.proto import wandb_internal_pb2


def records(path):
    """wandb's transaction log: LevelDB's log format after a header of seven bytes."""
    data = open(path, "rb").read()
    at, parts = 7, b""
    while at < len(data):
        left = 32768 - at % 32768
        if left < 7:  # a block's rest too short for a header is padding
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4:at + 6], "little"), data[at + 6]
        parts += data[at + 7:at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def main():
    folder = os.path.abspath(sys.argv[1])
    importer = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wandb_import.py")
    with tempfile.TemporaryDirectory() as place:
        environment = dict(os.environ, WANDB_SILENT="true", WANDB_DIR=place)
        subprocess.run([sys.executable, importer, folder, "--project", "check", "--offline"], check=True, cwd=place, env=environment)
        history, config = {}, {}
        for record in records(glob.glob(place + "/wandb/offline-run-*/*.wandb")[0]):
            for item in record.history.item:
                row = history.setdefault(record.history.step.num, {})
                row[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
            for updates in (record.run.config.update, record.config.update):
                config.update({item.key: json.loads(item.value_json) for item in updates})
    wanted = {row["_step"]: row for row in map(json.loads, open(folder + "/history.jsonl"))}
    assert set(history) == set(wanted), (len(history), len(wanted))
    count = 0
    for step, row in wanted.items():
        for key, value in row.items():
            if not key.startswith("_"):
                got = history[step].get(key)
                # wandb writes NaN as such where our JSON has the text.
                assert got == value or str(got).lower() == str(value).lower(), (step, key, got, value)
                count += 1
    stored = json.load(open(folder + "/config.json"))
    for key, value in stored.items():
        assert config.get(key) == value, (key, config.get(key), value)
    print(f"wandb: {len(wanted)} steps, {count} numbers and {len(stored)} configuration keys equal")


if __name__ == "__main__":
    main()

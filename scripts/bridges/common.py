# SPDX-License-Identifier: MIT
"""What the bridge scripts share: running apus, and a table of what was checked."""
import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
FIXTURES = REPOSITORY / "Tests" / "Fixtures"


class Checks:
    """Prints every figure with its limit and remembers whether all held."""

    def __init__(self):
        self.failed = []

    def add(self, name, value, limit=None, unit=""):
        """A figure that must be at most `limit`; without a limit it must be true."""
        good = bool(value) if limit is None else value <= limit
        shown = ("yes" if good else "NO") if limit is None else f"{value:.2e}{unit}  (limit {limit:.0e})"
        print(f"{'ok  ' if good else 'FAIL'}  {name:72} {shown}", flush=True)
        if not good:
            self.failed.append(name)

    def finish(self):
        print("\nall checks passed" if not self.failed else f"\n{len(self.failed)} failed: " + "; ".join(self.failed))
        sys.exit(1 if self.failed else 0)


class Apus:
    """The program under test."""

    def __init__(self, path):
        self.path = str(Path(path or REPOSITORY / ".build/release/apus").resolve())

    def run(self, *arguments, folder=None, text=None):
        """Standard output of `apus ARGUMENTS`, with `text` on its standard input; ends the script when it fails."""
        result = subprocess.run(
            [self.path, *map(str, arguments)], cwd=folder, input=text, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            sys.exit(f"apus {' '.join(map(str, arguments))}\nended with {result.returncode}: {result.stderr}")
        return result.stdout

    def json(self, *arguments, folder=None):
        """The last line of standard output as JSON."""
        return json.loads(self.run(*arguments, folder=folder).strip().splitlines()[-1])


def train_losses(run):
    """step -> training loss of a run folder's metrics.jsonl."""
    losses = {}
    for line in (Path(run) / "metrics.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "step":
            losses[event["step"]] = event["loss"]
    return losses

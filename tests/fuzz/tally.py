"""How often each operation was called, and what it answered."""

from __future__ import annotations

import atexit
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

import yaml

# Operations that never answer 200, and why.
REFUSED = {"add_session_resource": "stores are attached when a session is created"}
METHODS = {"get", "post", "delete"}


class Tally:
    """Counts answers, and writes them down at the end."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self.statuses: dict[str, Counter] = defaultdict(Counter)
        atexit.register(self.write)

    def count(self, operation: str, status: int) -> None:
        self.statuses[operation][status] += 1

    def write(self) -> None:
        self.file.write_text(json.dumps(self.statuses))


def operations(document: dict) -> list[str]:
    items = [item[method] for item in document["paths"].values() for method in METHODS & item.keys()]
    return [operation["operationId"] for operation in items]


def main(contract: str, *files: str) -> int:
    """Fails where an operation was never reached, since its other answers then say little."""
    known = operations(yaml.safe_load(Path(contract).read_text()))
    statuses: dict[str, Counter] = {operation: Counter() for operation in known}
    for file in files:
        for operation, counted in json.loads(Path(file).read_text()).items():
            statuses[operation].update(counted)
    total = sum(statuses.values(), Counter())
    answers = ", ".join(f"{status} × {total[status]}" for status in sorted(total))
    reached = {operation for operation in known if statuses[operation]["200"]}
    print(f"{total.total()} requests: {answers}")
    print(f"{len(reached)} of {len(known)} operations answered 200")
    missed = set(known) - reached - REFUSED.keys()
    for operation in sorted(missed):
        print(f"never answered 200: {operation}: {dict(statuses[operation])}")
    for operation in sorted(reached & REFUSED.keys()):
        print(f"answered 200 after all: {operation}")
    return 1 if missed or reached & REFUSED.keys() else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

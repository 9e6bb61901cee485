"""Which of memstored's functions run in a start and in requests: build/order.txt, and its check.

Run by scripts/order.
"""

import json
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable

KEY = "order-key"
HEADERS = {
    "x-api-key": KEY,
    "anthropic-beta": "agent-memory-2026-07-22",
    "anthropic-version": "2023-06-01",
    "content-type": "application/json",
}
# docs/performance.md
AIM_MIB = 10


class Server:
    """memstored on a file, as it runs without flags of its own, behind `before`."""

    def __init__(self, program: str, folder: Path, before: list[str] | None = None) -> None:
        command = [*(before or []), program, "serve", "--listen", "127.0.0.1:0", "--api-key", KEY]
        command += ["--log", "warn", "--database-url", f"sqlite:{folder}/db"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout
        found = None
        for line in self.process.stdout:
            if found := re.search(r"http://[0-9.]+:[0-9]+", line):
                break
        if not found:
            self.process.kill()
            raise SystemExit(f"{program} does not start")
        self.url = found.group()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, failed: Any, *_: Any) -> None:
        if failed:
            self.process.kill()
        else:
            self.stop()

    def call(self, method: str, path: str, body: Any = None, expected: int = 200) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, HEADERS, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        if status != expected:
            raise SystemExit(f"{method} {path}: {status} {text.decode()}")
        return json.loads(text) if text[:1] == b"{" else text

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            raise SystemExit(f"memstored ended with {self.process.returncode}")


def fill(server: Server) -> str:
    """Makes a memory; its path in the API."""
    store = server.call("POST", "/v1/memory_stores", {"name": "order"})["id"]
    memories = f"/v1/memory_stores/{store}/memories"
    memory = server.call("POST", memories, {"path": "/notes/a.md", "content": "a" * 4096})["id"]
    return f"{memories}/{memory}"


def read(server: Server, memory: str) -> None:
    """What nearly every server does: says that it is there, and hands out a memory."""
    server.call("GET", "/health")
    server.call("GET", f"{memory}?view=full")


def use(server: Server) -> None:
    """What most servers do: the operations of the API, and errors that clients meet."""
    memory = fill(server)
    store, _, id = memory.rpartition("/memories/")
    memories, versions = f"{store}/memories", f"{store}/memory_versions"
    read(server, memory)
    server.call("POST", store, {"description": "d", "metadata": {"team": "a"}})
    for name in "bcd":
        server.call("POST", memories, {"path": f"/notes/{name}/e.md", "content": name})
    hash = server.call("GET", memory)["content_sha256"]
    precondition = {"type": "content_sha256", "content_sha256": hash}
    server.call("POST", memory, {"content": "b", "precondition": precondition})
    server.call("POST", memory, {"content": "c", "precondition": precondition}, 409)
    server.call("POST", memory, {"path": "/notes/f.md"})
    server.call("POST", memories, {"path": "/notes/f.md", "content": ""}, 409)
    server.call("POST", memories, {"path": "notes"}, 400)
    server.call("GET", memories)
    server.call("GET", f"{memories}?depth=1")
    part = f"{memories}?path_prefix=/notes/&view=full&limit=2"
    server.call("GET", f"{part}&page={server.call('GET', part)['next_page']}")
    listed = server.call("GET", f"{versions}?memory_id={id}&view=full")["data"]
    server.call("GET", f"{versions}/{listed[-1]['id']}?view=full")
    server.call("POST", f"{versions}/{listed[-1]['id']}/redact")
    server.call("DELETE", memory)
    server.call("GET", memory, None, 404)
    server.call("GET", "/v1/memory_stores?limit=1")
    server.call("POST", f"{store}/archive")
    server.call("DELETE", store)


def functions(program: str, folder: Path, run: Callable[[Server], None]) -> set[str]:
    """The program's own functions that run from its start to its end, by their symbols."""
    out = folder / "callgrind"
    tool = ["valgrind", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={out}"]
    with Server(program, folder, tool) as server:
        run(server)
    objects, names, current, found = {}, {}, "", set()
    for line in out.read_text().splitlines():
        # A name is given with its number once, and by the number from then on.
        if match := re.match(r"c?ob=\((\d+)\)(?: (.+))?", line):
            number, name = match.groups()
            objects[number] = name or objects[number]
            if line[0] != "c":
                current = objects[number]
        elif match := re.match(r"c?fn=\((\d+)\)(?: (.+))?", line):
            number, name = match.groups()
            names[number] = name or names[number]
            if line[0] != "c" and current == program:
                found.add(names[number])
    # A function that calls itself has one more name for each depth.
    found = {name.partition("'")[0] for name in found}
    return {name for name in found if re.fullmatch(r"[A-Za-z_.$][\w.$]*", name)}


def write(program: str, order: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        used = functions(program, folder, use)
        with Server(program, folder) as server:
            memory = fill(server)
        first = functions(program, folder, lambda server: read(server, memory))
    if len(first) < 1000:
        raise SystemExit(f"only {len(first)} functions of {program} are known: is it stripped?")
    # The order within either part does not matter; a sorted one changes least.
    names = [*sorted(first), *sorted(used - first)]
    order.write_text("".join(f"{name}\n" for name in names))
    print(f"{len(first)} functions for a start and a read, {len(used - first)} for all else")


def check(program: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Server(program, folder) as server:
            memory = fill(server)
        with Server(program, folder) as server:
            read(server, memory)
            time.sleep(1)
            resident = server.resident_mib()
    print(f"{resident:.1f} MiB resident after one read, at most {AIM_MIB}")
    if platform.machine() != "x86_64":
        print("not held to that here: functions are placed on x86-64 only, see build/main.rs")
    elif resident > AIM_MIB:
        raise SystemExit(
            "Either the names in build/order.txt are stale (run scripts/order), or the linker takes no "
            "order, which the build warned of"
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", program, order]:
            write(program, Path(order))
        case ["check", program]:
            check(program)

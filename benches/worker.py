"""What the official SDK's sync worker needs for a store of 2,000 memories.

Run by scripts/bench. Its engine runs as it comes from its registry, against a server of its own. The
floor is the same requests, as many at once, sent by the HTTP client that the SDK stands on, with
nothing around it.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Awaitable, Callable

import anyio
import httpx2 as httpx
from anthropic import AsyncAnthropic
from anthropic.lib.tools import _memories
from anthropic.types.beta import BetaManagedAgentsSession
from anthropic.types.beta.sessions import BetaManagedAgentsMemoryStoreResource

MEMORIES = 2000
FLUSHED = 1000
PARALLEL = 32
CONTENT = "0123456789abcdef ghijklmnopqrst\n" * 128
KEY = "bench-key"
HEADERS = {
    "x-api-key": KEY,
    "anthropic-beta": "agent-memory-2026-07-22",
    "anthropic-version": "2023-06-01",
}
# The worker gives a flush up after that long.
AIM_SECONDS = 30


class Server:
    """memstored on a file, durable."""

    def __init__(self, program: str, folder: Path) -> None:
        command = [program, "serve", "--listen", "127.0.0.1:0", "--api-key", KEY, "--log", "error"]
        command += ["--database-url", f"sqlite:{folder}/db", "--durability", "full"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        for line in self.process.stdout:
            if found := re.search(r"http://[0-9.]+:[0-9]+", line):
                self.url = found.group()
            if "memories.list(" in line:
                break

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


async def all_of(tasks: list[Callable[[], Awaitable[Any]]]) -> None:
    """Runs them, so many at once."""
    limiter = anyio.CapacityLimiter(PARALLEL)

    async def one(task: Callable[[], Awaitable[Any]]) -> None:
        async with limiter:
            await task()

    async with anyio.create_task_group() as group:
        for task in tasks:
            group.start_soon(one, task)


async def walk(http: httpx.AsyncClient, memories: str, query: str) -> None:
    """A list from its beginning to its end."""
    page = ""
    while page is not None:
        params = f"{query}&page={page}" if page else query
        answer = await http.get(f"{memories}?{params}")
        answer.raise_for_status()
        page = answer.json()["next_page"]


async def create(http: httpx.AsyncClient, memories: str, path: str) -> None:
    answer = await http.post(memories, json={"path": path, "content": CONTENT})
    answer.raise_for_status()


async def round_of(server: Server, folder: Path, number: int) -> dict[str, tuple[float, float, float]]:
    """Seconds of the engine, of the floor, and of the server's processors for the engine."""
    timed: dict[str, tuple[float, float, float]] = {}

    async def measure(what: str, engine: Awaitable[Any], floor: Awaitable[Any]) -> None:
        cpu, begun = server.cpu_seconds(), time.monotonic()
        await engine
        took, cpu = time.monotonic() - begun, server.cpu_seconds() - cpu
        begun = time.monotonic()
        await floor
        timed[what] = (took, time.monotonic() - begun, cpu)

    sdk = AsyncAnthropic(base_url=server.url, api_key=KEY)
    limits = httpx.Limits(max_connections=PARALLEL, max_keepalive_connections=PARALLEL)
    async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, limits=limits) as http:
        made = await http.post("/v1/memory_stores", json={"name": f"n{number}"})
        store = made.json()["id"]
        memories = f"/v1/memory_stores/{store}/memories"
        paths = [f"/notes/{at % 40:02}/{at:04}.md" for at in range(MEMORIES)]
        await all_of([lambda path=path: create(http, memories, path) for path in paths])

        root = folder / f"mount-{number}"
        resource = BetaManagedAgentsMemoryStoreResource(
            type="memory_store", memory_store_id=store, access="read_write", name="n",
            description="", mount_path=str(root),
        )
        session = BetaManagedAgentsSession.construct(
            id="sesn_01", type="session", status="running", resources=[resource]
        )
        engine = _memories.SessionMemoryStores(sdk, workdir=folder / "work", sync_interval=3600)
        await measure(
            "download", engine.download(session), walk(http, memories, "view=full&limit=20")
        )
        files = [path for path in root.rglob("*.md")]
        assert len(files) == MEMORIES, len(files)
        await measure(
            "sync", engine._sync_all(final=False), walk(http, memories, "view=basic&limit=100")
        )
        for at in range(FLUSHED):
            (root / "new").mkdir(exist_ok=True)
            (root / "new" / f"{at:04}.md").write_text(CONTENT)

        async def floor_of_flush() -> None:
            await walk(http, memories, "view=basic&limit=100")
            paths = [f"/floor/{at:04}.md" for at in range(FLUSHED)]
            await all_of([lambda path=path: create(http, memories, path) for path in paths])

        await measure("flush", engine.flush_writes(), floor_of_flush())
        there = 0
        page = ""
        while page is not None:
            params = f"path_prefix=/new/&limit=100&page={page}" if page else "path_prefix=/new/&limit=100"
            listed = (await http.get(f"{memories}?{params}")).json()
            there, page = there + len(listed["data"]), listed["next_page"]
        assert there == FLUSHED, f"{there} of {FLUSHED} arrived"
        await engine.dispose()
    await sdk.close()
    return timed


def main() -> None:
    program, rounds, place = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    names = {
        "download": f"download of {MEMORIES:,} memories of 4 KiB",
        "sync": f"a sync of {MEMORIES:,} memories that changes nothing",
        "flush": f"flush of {FLUSHED:,} new files, {PARALLEL} at once, durable",
    }
    folder = Path(tempfile.mkdtemp(dir=place)).resolve()
    server = Server(program, folder)
    try:
        taken = [anyio.run(round_of, server, folder, number) for number in range(rounds)]
    finally:
        server.stop()
        shutil.rmtree(folder)
    print("\n| | s (min–max) | server's CPU s | the same requests alone, s | ratio (min–max) | aim | |")
    print("|---|---|---|---|---|---|---|")
    for what, name in names.items():
        engine, floor, cpu = zip(*(timed[what] for timed in taken))
        ratios = [floor / engine for engine, floor in zip(engine, floor)]
        took = statistics.median(engine)
        verdict = "– | –"
        if what == "flush":
            verdict = f"≤ {AIM_SECONDS} s | {'ok' if took <= AIM_SECONDS else 'missed'}"
        print(
            f"| {name} | **{took:.2f}** ({min(engine):.2f}–{max(engine):.2f}) "
            f"| {statistics.median(cpu):.2f} | {statistics.median(floor):.2f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) | {verdict} |"
        )


main()

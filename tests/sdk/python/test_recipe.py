"""The code of docs/sessions.md, run as it is printed there."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from stage import Model, environment_key, session_token
from support import refused

PAGE = Path(__file__).parents[3] / "docs" / "sessions.md"


def block(name: str) -> str:
    """The code block whose first line is this name."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    (found,) = [code for code in blocks if code.startswith(f"# {name}\n")]
    return found


@pytest.fixture
def kind() -> str:
    return "sync"


@pytest.fixture
def run(api, server_url, monkeypatch):
    """Runs blocks of the page one after the other, as one program in a workspace of its own."""
    # The page's names are not unique, and this machine has one /mnt/memory.
    alone = (Path(tempfile.gettempdir()) / "memstored-recipe.lock").open("w")
    fcntl.flock(alone, fcntl.LOCK_EX)
    for name in ("research-notes", "house-style", "house-rules", "notes-on-ana", "notes-on-ben"):
        # What a run that was killed has left.
        shutil.rmtree(Path("/mnt/memory") / name, ignore_errors=True)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server_url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", api.sdk.api_key)
    names: dict = {}

    def execute(name: str) -> dict:
        exec(compile(block(name), name, "exec"), names)
        return names

    yield execute
    names["client"].close()
    alone.close()


@contextmanager
def worker(environment: str, key: str, workdir: Path):
    """The page's worker, as a process of its own."""
    settings = {"ENVIRONMENT_ID": environment, "ENVIRONMENT_KEY": key, "WORKDIR": str(workdir)}
    process = subprocess.Popen(
        [sys.executable, "-c", block("worker.py")], env={**os.environ, **settings}
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_the_worked_example_runs_as_it_is_printed(api, run, hire, server_url, tmp_path, capfd):
    environment = run("setup.py")["environment"].id
    made = subprocess.run(
        [
            os.environ["MEMSTORED_TEST_BINARY"],
            *("key", "create", "--name", "worker", "--environment", environment, "--json"),
            *("--url", server_url, "--api-key", api.sdk.api_key),
        ],
        check=True,
        capture_output=True,
    )

    key = json.loads(made.stdout)["key"]
    with worker(environment, key, tmp_path):
        run("model.py")
        names = run("history.py")
        hire(environment, key).wait_until_all_is_stopped()

    said = capfd.readouterr().out
    assert "/mnt/memory/house-style read_only" in said
    assert "Short sentences." in said
    assert names["refused"].is_error
    (version,) = names["written"]
    assert (version.operation, version.path) == ("created", "/rga.md")
    assert version.created_by.session_id == names["session"].id
    assert [v.created_by.type for v in api.versions.list(names["style"].id)] == ["api_actor"]


def test_the_recipe_keeps_users_apart_and_the_house_rules_as_they_are(api, run, hire, connect):
    names = run("recipe.py")
    house, environment = names["house"].id, names["environment"].id
    ana, ben, stores = names["ana"], names["ben"], names["store_of"]
    crew = hire(environment, environment_key(api, environment))
    rules_at, notes_at = (resource.mount_path for resource in ana.resources)

    def play_ana() -> None:
        model = Model(api, ana.id)
        assert "Short and friendly" in model.call("read", file_path=f"{rules_at}/tone.md").text
        model.call("write", file_path=f"{notes_at}/taste.md", content="Likes tea.\n")
        assert model.call("write", file_path=f"{rules_at}/tone.md", content="Loud.\n").is_error
        model.end_turn()

    def play_ben() -> None:
        model = Model(api, ben.id)
        assert model.call("bash", command=f"cat {notes_at}/taste.md").is_error
        assert (
            "no matches" in model.call("grep", pattern="tea", path=ben.resources[1].mount_path).text
        )
        model.end_turn()

    with crew.at_work():
        play_ana()
        play_ben()

    assert [(m.path, m.content) for m in api.memories.list(stores["ana"], view="full")] == [
        ("/taste.md", "Likes tea.\n")
    ]
    assert list(api.memories.list(stores["ben"])) == []
    assert [v.created_by.type for v in api.versions.list(house)] == ["api_actor"]
    assert {s.id for s in api.sessions.list(memory_store_id=house)} == {ana.id, ben.id}
    assert [s.id for s in api.sessions.list(memory_store_id=stores["ana"])] == [ana.id]
    of_ben = connect(session_token(api, ben.id)["token"])
    refused("not_found_error", of_ben.memories.list, stores["ana"])
    refused("permission_error", of_ben.memories.create, house, path="/mine.md", content="x")
    assert names["begin"]("ana", "And now?").resources[1].memory_store_id == stores["ana"]

"""Environments: both kinds with their defaults, and what an update leaves as it is."""

from __future__ import annotations

import pytest

from clients import pages
from stage import Stage, environment_key
from support import refused

PACKAGES = {"apt": [], "cargo": [], "gem": [], "go": [], "npm": [], "pip": []}


def config_of(api, environment: str) -> dict:
    return api.raw.environments.retrieve(environment).json()["config"]


def test_a_self_hosted_environment_has_a_type_and_no_more(api):
    sent = api.raw.environments.create(name="Own machines", config={"type": "self_hosted"}).json()

    assert sent["config"] == {"type": "self_hosted"}
    assert (sent["description"], sent["metadata"], sent["archived_at"]) == (None, {}, None)
    assert sent["scope"] == "organization"
    assert sent["id"].startswith("env_")


def test_without_a_configuration_an_environment_is_in_the_cloud(api):
    made = api.environments.create(name="Cloud")

    config = config_of(api, made.id)
    assert config["type"] == "cloud"
    assert config["networking"] == {"type": "unrestricted"}
    assert {kind: config["packages"][kind] for kind in PACKAGES} == PACKAGES


def test_an_update_leaves_what_it_does_not_name(api):
    made = api.environments.create(
        name="Cloud",
        description="x",
        config={
            "type": "cloud",
            "networking": {
                "type": "limited",
                "allowed_hosts": ["a.test"],
                "allow_package_managers": True,
            },
            "packages": {"pip": ["httpx==1.0"]},
        },
        metadata={"a": "1", "b": "2"},
    )

    api.environments.update(
        made.id,
        config={"type": "cloud", "packages": {"npm": ["left-pad"]}},
        metadata={"a": None, "b": ""},
    )
    changed = api.environments.update(made.id, description=None, name=None)

    config = config_of(api, made.id)
    assert config["networking"] == {
        "type": "limited",
        "allowed_hosts": ["a.test"],
        "allow_mcp_servers": False,
        "allow_package_managers": True,
    }
    assert (config["packages"]["pip"], config["packages"]["npm"]) == ([], ["left-pad"])
    assert (changed.name, changed.description, changed.metadata) == ("Cloud", None, {})
    assert api.environments.update(made.id, description="").description == ""


def test_the_type_of_an_environment_never_changes(api, stage):
    refusal = refused(
        "invalid_request_error",
        api.environments.update,
        stage.environment,
        config={"type": "cloud"},
    )

    assert refusal.error_code == "invalid_config_type_change"


def test_an_archived_environment_takes_no_sessions_and_no_updates(api, stage):
    archived = api.environments.archive(stage.environment)

    assert archived.archived_at is not None
    assert api.environments.archive(stage.environment) == archived
    assert list(api.environments.list()) == []
    assert list(api.environments.list(include_archived=True)) == [archived]
    refusal = refused("invalid_request_error", api.environments.update, archived.id, name="x")
    assert refusal.error_code == "environment_archived"
    refused("invalid_request_error", stage.session)


def test_a_deleted_environment_is_gone_with_its_keys(api, stage, connect):
    session = stage.session()
    worker = connect(stage.key)

    api.environments.delete(stage.environment)

    refused("not_found_error", api.environments.retrieve, stage.environment)
    refused("not_found_error", api.environments.delete, stage.environment)
    refused("not_found_error", stage.session)
    with pytest.raises(Exception) as caught:
        worker.work.poll(stage.environment)
    assert caught.value.status_code in (401, 404)
    assert api.sessions.retrieve(session.id).environment_id == stage.environment


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_environments_are_listed_newest_first(api, limit: int):
    made = [api.environments.create(name=str(n)) for n in range(3)]

    listed = list(pages(api.environments.list(limit=limit)))

    assert [item for page in listed for item in page.data] == made[::-1]


REFUSED = {
    "no name": {"name": ""},
    "an unknown type": {"config": {"type": "mainframe"}},
    "an unknown key": {"config": {"type": "self_hosted", "packages": {}}},
    "an unknown network": {"config": {"type": "cloud", "networking": {"type": "some"}}},
    "account": {"scope": "account"},
}


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_a_bad_environment_is_refused(api, fields: dict):
    refused("invalid_request_error", api.environments.create, **{"name": "x", **fields})


def test_too_much_metadata_has_a_code_of_its_own(api, stage):
    metadata = {str(number): "x" for number in range(17)}

    refusal = refused(
        "invalid_request_error", api.environments.update, stage.environment, metadata=metadata
    )

    assert refusal.error_code == "invalid_metadata"


def test_a_key_is_made_for_a_self_hosted_environment_only(api):
    cloud = api.environments.create(name="Cloud")

    refused("invalid_request_error", environment_key, api, cloud.id)
    refused("not_found_error", environment_key, api, "env_01ARZ3NDEKTSV4RRFFQ69G5FAV")


def test_an_environment_key_is_listed_with_its_environment(api):
    stage = Stage.build(api)

    (listed,) = [
        key
        for key in api.http.get("/x/v1/api_keys", cast_to=object)["data"]
        if key["environment_id"] is not None
    ]

    assert listed["environment_id"] == stage.environment
    assert listed["scopes"] == []
    assert stage.key.startswith("mstd_")

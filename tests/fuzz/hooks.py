"""What schemathesis is told of memstored: its credentials, what exists, and what may be refused."""

from __future__ import annotations

import os

import schemathesis
from schemathesis import AuthContext, Case, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

from aim import Aim, operation_of
from contract import spell_out
from refusals import is_known
from tally import Tally
from world import World

KEY = os.environ["MEMSTORED_FUZZ_KEY"]
WORLD = World(os.environ["MEMSTORED_FUZZ_URL"], KEY, int(os.environ["MEMSTORED_FUZZ_SEED"]))
AIM = Aim(WORLD)
TALLY = Tally(os.environ["MEMSTORED_FUZZ_TALLY"])


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict) -> None:
    spell_out(raw_schema)


@schemathesis.auth(refresh_interval=None)
class Credential:
    def get(self, case: Case, context: AuthContext) -> str:
        return f"Bearer {KEY}"

    def set(self, case: Case, data: str, context: AuthContext) -> None:
        case.headers["Authorization"] = data


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict) -> None:
    AIM.take(case)
    if case.headers.get("Authorization") == f"Bearer {KEY}":
        case.headers["Authorization"] = f"Bearer {AIM.credential(case)}"


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    if case.method.upper() != case.operation.method.upper():
        return
    TALLY.count(operation_of(case), response.status_code)
    if response.status_code == 200 and response.headers["content-type"] == ["application/json"]:
        WORLD.note(case.formatted_path, case.path_parameters or {}, response.json())


@schemathesis.hook
def filter_failure(
    context: HookContext, failure: Failure, case: Case, response: Response
) -> bool:
    """Whether it is a failure, and no refusal that a schema can't foretell."""
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 400:
        return True
    return not is_known(response.json()["error"]["message"])

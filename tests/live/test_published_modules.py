"""Modules with a submodule and with environment variables, published to the server under test.

They are small ones of tests/golden: their description is what the official builder makes, their
reducers tell what the host answers them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.errors import HttpError, MissingEnvironment, ReducerError
from spacetime_transports import HttpClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.kit import LiveKit
    from tests.live.target import Target

MODULES = Path(__file__).parents[1] / "golden" / "v2.14" / "modules"
#: MODE and OTHER are optional; `probe_env` fails with what the host said of a variable.
COMBINED = MODULES / "combined.wasm"
#: API_KEY is required, MODE is dev or prod.
STRICT = MODULES / "environment.wasm"

pytestmark = pytest.mark.since("2.11", "no environment variables, no namespaces with two names")


@pytest.fixture
def owner(whole_target: Target) -> Iterator[HttpClient]:
    with HttpClient(whole_target.url, token=whole_target.token) as http:
        yield http


@pytest.fixture
def database(owner: HttpClient) -> Iterator[str]:
    """Return a name; what a test publishes there goes away."""
    name = f"published-{time.time_ns()}"
    yield name
    owner.delete(name)


def stored(owner: HttpClient, database: str) -> dict[str, Any]:
    return {row.key: row.value for row in owner.sql(database, "SELECT * FROM st_env").rows}


async def test_tables_and_reducers_of_a_submodule(
    kit: LiveKit, owner: HttpClient, database: str
) -> None:
    """The server has the names of the namespace's own spelling: `my_auth.session_row`."""
    owner.publish(database, COMBINED.read_bytes())
    module = dynamic_module(owner.schema(database))
    async with kit.connect(module, database=database) as client:
        table = client.db.my_auth.session_row
        assert table.table_name == "my_auth.session_row"
        sessions = module.tables.my_auth.session_row
        young = await client.subscribe(sessions.where(lambda row: row.session_id < 31))
        await client.call(module.reducers.my_auth.clean_expired(30))
        owner.call(database, "my_auth.clean_expired", {"max_age": 31})
        assert [(row.session_id, row.user_name) for row in table] == [(30, "ann")]
        assert table.session_id.find(30) == next(iter(table))
        await client._do(client.raw.subscribe_to_all_tables())
        await client.unsubscribe(young)
        assert sorted(row.session_id for row in table) == [30, 31]
        assert len(await client.query(sessions)) == 2
    rows = owner.sql(database, "SELECT * FROM my_auth.session_row WHERE session_id > 30").rows
    assert [row.session_id for row in rows] == [31]


def test_variables_are_published_kept_and_removed(owner: HttpClient, database: str) -> None:
    program = COMBINED.read_bytes()
    owner.publish(database, program, environment={"MODE": "dev"})
    known = owner.environment(database)
    assert [(one.name, one.optional) for one in known.declarations] == [
        ("MODE", True),
        ("OTHER", True),
    ]
    assert known.stored_keys == ("MODE",)
    owner.publish(database, program, environment={"OTHER": "äß →\n"})
    assert stored(owner, database) == {"MODE": "dev", "OTHER": "äß →\n"}
    owner.update_environment(
        database, {"MODE": "prod"}, remove=["OTHER"], expected_module_hash=known.module_hash
    )
    assert stored(owner, database) == {"MODE": "prod"}
    with pytest.raises(ReducerError, match=r"errno 0 source [1-9]"):
        owner.call(database, "probe_env", ["MODE"])
    with pytest.raises(ReducerError, match="errno 0 source 0"):
        owner.call(database, "probe_env", ["OTHER"])
    owner.publish(database, program, remove_environment="all")
    assert stored(owner, database) == {}


def test_variables_that_a_module_requires(owner: HttpClient, database: str) -> None:
    program = STRICT.read_bytes()
    with pytest.raises(MissingEnvironment) as caught:
        owner.publish(database, program)
    assert caught.value.keys == ("API_KEY",)
    with pytest.raises(HttpError, match='"MODE": value does not satisfy') as refused:
        owner.publish(database, program, environment={"API_KEY": "hidden", "MODE": "neither"})
    assert refused.value.status == 400
    assert "hidden" not in str(refused.value)
    owner.publish(database, program, environment={"API_KEY": "hidden", "MODE": "prod"})
    with pytest.raises(MissingEnvironment):
        owner.publish(database, program, remove_environment=["API_KEY"])
    with pytest.raises(MissingEnvironment):
        owner.update_environment(database, {}, remove="all")
    assert stored(owner, database) == {"API_KEY": "hidden", "MODE": "prod"}

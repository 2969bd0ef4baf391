"""Keys of every type: insert, update and delete are told apart, and violations change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.bindings import Call
from spacetime_proto.errors import ReducerError
from tests.live.kit import Log
from tests.live.samples import samples

if TYPE_CHECKING:
    from spacetime_proto.bindings import Module
    from tests.live.kit import LiveKit
    from tests.live.target import Target


def key_tables(module: Module[Any]) -> dict[str, list[Any]]:
    """Return the samples of the key of every table ``{key, data}``."""
    bound = module.bound
    return {
        name: samples(bound.types, table.definition.columns[0].type)
        for name, table in bound.tables.items()
        if table.column_names == ("key", "data") and f"insert_{name}" in bound.reducers
    }


async def test_insert_update_delete(kit: LiveKit, target: Target) -> None:
    tables = key_tables(target.module)
    assert len(tables) >= 34
    async with kit.connect() as client:
        log = Log(client, *tables)
        await client.subscribe(*(f"SELECT * FROM {name}" for name in tables))

        async def everywhere(what: str, *data: int) -> dict[str, list[tuple[Any, ...]]]:
            for name, keys in tables.items():
                for key in keys:
                    client.raw.submit(Call("reducer", f"{what}_{name}", (key, *data)))
            await client.call(client.reducers.no_op())
            found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in tables}
            for what, name, *rows in log.take():
                found[name].append((what, *((row.key, row.data) for row in rows)))
            return found

        inserted = await everywhere("insert", 1)
        for name, keys in tables.items():
            assert inserted[name] == [("insert", (key, 1)) for key in keys], name
            assert [client.db[name].key.find(key).data for key in keys] == [1] * len(keys)
        for name in list(tables)[::5]:
            assert target.rows(name) == target.encoded(name, client.db[name])

        updated = await everywhere("update", 2)
        for name, keys in tables.items():
            if target.module.bound.tables[name].definition.primary_key is None:
                # A unique column is no key: an update is a delete and an insert.
                changes = [c for key in keys for c in (("insert", (key, 2)), ("delete", (key, 1)))]
                assert sorted(updated[name], key=repr) == sorted(changes, key=repr), name
            else:
                assert updated[name] == [("update", (key, 1), (key, 2)) for key in keys], name
            assert [client.db[name].key.find(key).data for key in keys] == [2] * len(keys)

        deleted = await everywhere("delete")
        for name, keys in tables.items():
            assert deleted[name] == [("delete", (key, 2)) for key in keys], name
            assert client.db[name].count() == 0
            assert client.db[name].key.find(keys[0]) is None


async def test_violations(kit: LiveKit, target: Target) -> None:
    tables = key_tables(target.module)
    async with kit.connect() as client:
        log = Log(client, *tables)
        await client.subscribe(*(f"SELECT * FROM {name}" for name in tables))
        for name, (key, *_) in tables.items():
            await client.call(Call("reducer", f"insert_{name}", (key, 1)))
            log.take()
            with pytest.raises(ReducerError) as caught:
                await client.call(Call("reducer", f"insert_{name}", (key, 2)))
            assert name in str(caught.value)
            with pytest.raises(ReducerError, match=f"no such key in {name}"):
                await client.call(Call("reducer", f"delete_{name}", (tables[name][1],)))
            assert log.take() == []
            assert client.db[name].key.find(key).data == 1


async def test_a_key_and_a_unique_column(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "account")
        await client.subscribe("SELECT * FROM account")
        account = client.db.account
        await client.call(client.reducers.insert_account("a@x", 1, 100))
        await client.call(client.reducers.insert_account("b@x", 2, 0))
        await client.call(client.reducers.transfer(1, 2, 30))
        assert (account.id.find(1).balance, account.id.find(2).balance) == (70, 30)
        log.take()
        with pytest.raises(ReducerError, match="account 1 would be overdrawn"):
            await client.call(client.reducers.transfer(1, 2, 1000))
        assert log.take() == []
        await client.call(client.reducers.swap_emails(1, 2))
        assert [what for what, *_ in log.take()] == ["update", "update"]
        assert (account.email.find("a@x").id, account.email.find("b@x").id) == (2, 1)
        assert account.id.find(1).email == "b@x"
        for id in (1, 2):
            await client.call(client.reducers.delete_account(id))
        assert account.email.find("a@x") is None
        assert account.count() == 0


async def test_enum_keys(kit: LiveKit, target: Target) -> None:
    kinds = target.module.types.SimpleEnum
    async with kit.connect() as client:
        log = Log(client, "indexed_simple_enum")
        await client.subscribe("SELECT * FROM indexed_simple_enum")
        rows = client.db.indexed_simple_enum
        await client.call(client.reducers.insert_indexed_simple_enum(kinds.two))
        await client.call(client.reducers.update_indexed_simple_enum(kinds.two, kinds.one))
        assert [what for what, *_ in log] == ["insert", "insert", "delete"]
        assert [row.value for row in rows] == [kinds.one]
        assert rows.value.filter(kinds.two) == []
        assert len(rows.value.filter(kinds.one)) == 1

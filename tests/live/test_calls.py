"""Calls: the chat, what goes wrong and how it is told, and what others see of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.client.events import ReducerEvent, Transaction
from spacetime_proto.errors import EncodeError, HttpError, InternalError, QueryError, ReducerError
from spacetime_transports import HttpClient
from tests.live.kit import Log

if TYPE_CHECKING:
    from tests.live.kit import LiveKit
    from tests.live.target import Target


async def test_chat(kit: LiveKit, target: Target) -> None:
    async with kit.connect() as ada, kit.connect() as bob:
        for client in (ada, bob):
            await client.subscribe("SELECT * FROM user", "SELECT * FROM message")
        log = Log(bob, "user", "message")
        await ada.call(ada.reducers.set_name("Ada"))
        await ada.call(ada.reducers.send_message("hi"))
        await bob.until(lambda: bob.db.message.count() == 1)
        (message,) = bob.db.message
        assert (message.sender, message.text) == (ada.raw.identity, "hi")
        assert bob.db.user.identity.find(ada.raw.identity).name == "Ada"
        update, insert = log
        assert (update[0], update[2].name, update[3].name) == ("update", None, "Ada")
        assert insert == ("insert", "message", message)
        assert target.rows("message") == target.encoded("message", ada.db.message)
        with pytest.raises(ReducerError, match="Messages must not be empty") as caught:
            await bob.call(bob.reducers.send_message(""))
        assert (caught.value.name, caught.value.value) == (
            "send_message",
            "Messages must not be empty",
        )
        with pytest.raises(ReducerError, match="Names must not be empty"):
            await bob.call(bob.reducers.set_name(""))


async def test_what_others_see_of_a_call(kit: LiveKit) -> None:
    async with kit.connect() as ada, kit.connect() as bob:
        events: dict[str, list[Any]] = {"ada": [], "bob": []}
        reducers: dict[str, list[Any]] = {"ada": [], "bob": []}
        for name, client in (("ada", ada), ("bob", bob)):
            client.db.attempt.on_insert(
                lambda ctx, row, name=name: events[name].append((ctx.event, row.text))
            )
            client.raw.on_reducer(lambda ctx, name=name: reducers[name].append(ctx.event))
            await client.subscribe("SELECT * FROM attempt")
        await ada.call(ada.reducers.insert_attempt("hello"))
        await bob.until(lambda: bool(events["bob"]))
        await bob.call(bob.reducers.no_op())
        ((mine, text),) = events["ada"]
        assert text == "hello"
        assert isinstance(mine, ReducerEvent)
        assert (mine.name, mine.args, mine.status, mine.is_own) == (
            "insert_attempt",
            ("hello",),
            "committed",
            True,
        )
        assert reducers["ada"] == [mine]
        ((theirs, _),) = events["bob"]
        if kit.tells_of_others:
            assert isinstance(theirs, ReducerEvent)
            assert (theirs.name, theirs.args, theirs.is_own) == (
                "insert_attempt",
                ("hello",),
                False,
            )
            assert theirs.caller_identity == ada.raw.identity
            assert theirs.caller_connection_id == ada.raw.connection_id
            assert theirs.timestamp == mine.timestamp
            assert [event.name for event in reducers["bob"]] == ["insert_attempt", "no_op"]
        else:
            assert theirs == Transaction()
            assert [event.name for event in reducers["bob"]] == ["no_op"]


async def test_light_updates(kit: LiveKit) -> None:
    """v1 with ``light``: rows of others without the cause; one's own with it."""
    async with kit.connect(light=True) as bob, kit.connect() as ada:
        log = Log(bob, "attempt")
        await bob.subscribe("SELECT * FROM attempt")
        await ada.call(ada.reducers.insert_attempt("from ada"))
        await bob.until(lambda: len(log) == 1)
        assert log.events == [Transaction()]
        await bob.call(bob.reducers.insert_attempt("own"))
        assert [row.text for _, _, row in log] == ["from ada", "own"]
        assert isinstance(log.events[1], ReducerEvent)


async def test_failures_change_nothing(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "attempt")
        seen: list[ReducerEvent] = []
        client.raw.on_reducer(lambda ctx: seen.append(ctx.event))
        await client.subscribe("SELECT * FROM attempt")
        with pytest.raises(ReducerError, match="said the module"):
            await client.call(client.reducers.fail_after_insert("said the module"))
        with pytest.raises(InternalError) as caught:
            await client.call(client.reducers.panic_after_insert("broken"))
        assert caught.value.name == "panic_after_insert"
        with pytest.raises(ReducerError):
            await client.call(client.reducers.fail_with(""))
        await client.call(client.reducers.insert_attempt("fine"))
        assert [row.text for _, _, row in log] == ["fine"]
        assert [event.status for event in seen] == [
            "failed",
            "internal_error",
            "failed",
            "committed",
        ]
        assert seen[0].args == ("said the module",)


@pytest.mark.parametrize("text", ["", "x" * 5000, "äß→𝄞 \0 \n"])
async def test_error_texts_arrive_whole(kit: LiveKit, text: str) -> None:
    async with kit.connect() as client:
        with pytest.raises(ReducerError) as caught:
            await client.call(client.reducers.fail_with(text))
        assert caught.value.value == text


async def test_many_calls_in_flight(kit: LiveKit) -> None:
    """Answers find their calls, failures among successes."""
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM attempt")
        answered: list[tuple[str | None, str]] = []
        client.raw.on_reducer(
            lambda ctx: answered.append((ctx.event.message, ctx.event.args and ctx.event.args[0]))
        )
        for number in range(90):
            name = "fail_with" if number % 3 == 0 else "insert_attempt"
            client.raw.submit(getattr(client.reducers, name)(f"n{number}"))
        await client.call(client.reducers.no_op())
        assert len(answered) == 91
        failed = [text for message, text in answered[:-1] if message]
        assert failed == [f"n{number}" for number in range(0, 90, 3)]
        assert client.db.attempt.count() == 60


@pytest.mark.only("asyncio", "trio")
async def test_calls_of_many_tasks(kit: LiveKit) -> None:
    import anyio

    outcomes: dict[int, str] = {}
    async with kit.connect() as client:

        async def one(number: int) -> None:
            try:
                await client.call(client.reducers.fail_with(f"no {number}"))
            except ReducerError as error:
                outcomes[number] = error.value

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(one, number)
    # A 1.x server echoes no id of a failed call: the answers settle them in order.
    assert outcomes == {number: f"no {number}" for number in range(100)}


async def test_what_the_bindings_refuse(kit: LiveKit) -> None:
    async with kit.connect() as client:
        with pytest.raises(EncodeError):
            await client.call(client.reducers.insert_one_u_8(256))
        with pytest.raises(TypeError):
            client.reducers.insert_one_u_8()
        with pytest.raises(AttributeError, match="no reducer"):
            client.reducers.no_such_thing()
        await client.call(client.reducers.no_op())


async def test_a_reducer_that_the_module_lacks(kit: LiveKit) -> None:
    """Bindings of another module: the server does not know the name, or not the arguments."""
    from spacetime_proto.bindings import dynamic_module
    from spacetime_proto.sats.algebraic import UNIT, Element, Primitive, ProductType, Typespace
    from spacetime_proto.schema.model import ModuleDef, ReducerDef

    names = ("no_such_reducer", "insert_one_string")
    params = ProductType((Element("value", Primitive("U8")),))
    reducers = (ReducerDef(names[0], names[0], UNIT), ReducerDef(names[1], names[1], params))
    other = dynamic_module(ModuleDef(Typespace(), (), (), reducers, ()))
    async with kit.connect(other) as client:
        with pytest.raises(InternalError, match=r"no.such.reducer"):
            await client.call(client.reducers.no_such_reducer())
        with pytest.raises(InternalError, match="insert_one_string"):
            await client.call(client.reducers.insert_one_string(7))


@pytest.mark.only("blocking")
@pytest.mark.parametrize(
    ("args", "said"),
    [([], "length"), ([1, 2], "length|trailing"), (["x"], "u8"), ([300], "u8"), ([None], "u8")],
)
async def test_wrong_arguments_over_http(
    kit: LiveKit, target: Target, args: list[Any], said: str
) -> None:
    with pytest.raises(InternalError, match=said):
        target.http.call(target.database, "insert_one_u_8", args)


async def test_http_calls(kit: LiveKit, target: Target) -> None:
    """Calls over HTTP are seen by whoever is subscribed, and fail with the same types."""
    async with kit.connect() as client:
        log = Log(client, "attempt")
        await client.subscribe("SELECT * FROM attempt")
        target.call("insert_attempt", "by http")
        await client.until(lambda: len(log) == 1)
        assert log[0][2].text == "by http"
    with pytest.raises(ReducerError, match="no, thanks"):
        target.call("fail_with", "no, thanks")
    with pytest.raises((InternalError, HttpError), match=r"no.such.reducer"):
        target.http.call(target.database, "no_such_reducer")
    with HttpClient(target.url) as anyone, pytest.raises((QueryError, HttpError)):
        anyone.sql(target.database, "DELETE FROM attempt")


@pytest.mark.owner
@pytest.mark.only("blocking")
async def test_sql_writes(kit: LiveKit, target: Target) -> None:
    """Rows that the owner changes by SQL: transactions of no reducer."""
    async with kit.connect() as client:
        log = Log(client, "r")
        await client.subscribe("SELECT * FROM r")
        target.http.sql(target.database, "INSERT INTO r (id, x, label) VALUES (1, 2, 'a')")
        await client.until(lambda: len(log) == 1)
        target.http.sql(target.database, "UPDATE r SET label = 'b' WHERE id = 1")
        await client.until(lambda: len(log) == 2)
        target.http.sql(target.database, "DELETE FROM r WHERE id = 1")
        await client.until(lambda: len(log) == 3)
        assert [what for what, *_ in log] == ["insert", "update", "delete"]
        for event in log.events:
            assert isinstance(event, Transaction) or event.name is None


@pytest.mark.owner
@pytest.mark.only("blocking")
async def test_logs(kit: LiveKit, target: Target) -> None:
    async with kit.connect() as client:
        await client.call(client.reducers.log_line("written by the test"))
    lines = list(target.http.logs(target.database, num_lines=50))
    assert any(line["message"] == "written by the test" for line in lines)

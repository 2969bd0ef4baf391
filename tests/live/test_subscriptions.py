"""Subscriptions: query sets that overlap, end, fail, and what compression does not change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.client.events import SubscribeApplied, UnsubscribeApplied
from spacetime_proto.errors import QueryError, SubscriptionError
from tests.live.kit import Log
from tests.live.large import mix

if TYPE_CHECKING:
    from tests.live.kit import LiveKit
    from tests.live.target import Target


async def test_first_rows_changes_and_the_end(kit: LiveKit) -> None:
    order: list[str] = []
    async with kit.connect() as client:
        await client.call(client.reducers.insert_attempt("before"))
        log = Log(client, "attempt")
        subscription = await client.subscribe(
            "SELECT * FROM attempt",
            on_applied=lambda ctx: order.append("applied"),
            on_end=lambda ctx: order.append("ended"),
        )
        assert isinstance(log.events[0], SubscribeApplied)
        assert [(what, row.text) for what, _, row in log.take()] == [("insert", "before")]
        await client.call(client.reducers.insert_attempt("after"))
        assert [(what, row.text) for what, _, row in log.take()] == [("insert", "after")]
        await client.unsubscribe(subscription)
        assert isinstance(log.events[0], UnsubscribeApplied)
        assert sorted((what, row.text) for what, _, row in log.take()) == [
            ("delete", "after"),
            ("delete", "before"),
        ]
        assert client.db.attempt.count() == 0
        await client.call(client.reducers.insert_attempt("unseen"))
        assert (log.take(), order) == ([], ["applied", "ended"])


async def test_overlapping_sets(kit: LiveKit, target: Target) -> None:
    """A row that two sets hold is one row, with one event for each change."""
    async with kit.connect() as client:
        log = Log(client, "pk_u_32")
        whole = await client.subscribe("SELECT * FROM pk_u_32")
        small = await client.subscribe("SELECT * FROM pk_u_32 WHERE key < 10")
        again = await client.subscribe("SELECT * FROM pk_u_32 WHERE key > 5")
        for key in (1, 7, 20):
            await client.call(client.reducers.insert_pk_u_32(key, 0))
        assert [(what, row.key) for what, _, row in log.take()] == [
            ("insert", 1),
            ("insert", 7),
            ("insert", 20),
        ]
        await client.call(client.reducers.update_pk_u_32(7, 1))
        ((what, _, old, new),) = log.take()
        assert (what, old.data, new.data) == ("update", 0, 1)
        await client.unsubscribe(whole)
        assert log.take() == []
        assert target.rows("pk_u_32") == target.encoded("pk_u_32", client.db.pk_u_32)
        await client.unsubscribe(again)
        assert [(what, row.key) for what, _, row in log.take()] == [("delete", 20)]
        await client.call(client.reducers.delete_pk_u_32(7))
        assert [(what, row.key) for what, _, row in log.take()] == [("delete", 7)]
        await client.unsubscribe(small)
        assert client.db.pk_u_32.count() == 0


async def test_overlapping_queries_of_one_set(kit: LiveKit) -> None:
    """The conformance row row-deduplication."""
    async with kit.connect() as client:
        log = Log(client, "pk_u_32")
        await client.subscribe(
            "SELECT * FROM pk_u_32 WHERE key < 100", "SELECT * FROM pk_u_32 WHERE key < 200"
        )
        for key in (24, 42, 142, 242):
            await client.call(client.reducers.insert_pk_u_32(key, 0))
        assert [row.key for _, _, row in log.take()] == [24, 42, 142]
        await client.call(client.reducers.delete_pk_u_32(24))
        await client.call(client.reducers.update_pk_u_32(42, 9))
        await client.call(client.reducers.update_pk_u_32(142, 9))
        assert [(what, rows[-1].key) for what, _, *rows in log.take()] == [
            ("delete", 24),
            ("update", 42),
            ("update", 142),
        ]
        assert sorted(row.key for row in client.db.pk_u_32) == [42, 142]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC * FROM attempt", "(?i)sql|expected"),
        ("SELECT * FROM no_such_table", "no_such_table"),
        ("SELECT * FROM attempt WHERE nothing = 1", "nothing"),
        ("SELECT * FROM attempt WHERE id = 'x'", "(?i)type|literal|parse"),
        ("SELECT text FROM attempt", "(?i)."),
        ("", "(?i)."),
    ],
)
async def test_refused_queries(kit: LiveKit, sql: str, said: str) -> None:
    failures: list[Any] = []
    async with kit.connect() as client:
        live = await client.subscribe("SELECT * FROM attempt")
        with pytest.raises(SubscriptionError, match=said) as caught:
            await client.subscribe(sql, on_error=lambda ctx, error: failures.append(error))
        assert caught.value.queries == (sql,)
        assert failures == [caught.value]
        with pytest.raises(QueryError):
            await client.query(sql.replace("text FROM", "nothing FROM"))
        await client.call(client.reducers.insert_attempt("still here"))
        assert live.is_active
        assert client.db.attempt.count() == 1


async def test_one_bad_query_refuses_the_set(kit: LiveKit) -> None:
    async with kit.connect() as client:
        with pytest.raises(SubscriptionError):
            await client.subscribe("SELECT * FROM attempt", "SELECT * FROM no_such_table")
        await client.call(client.reducers.insert_attempt("unseen"))
        assert client.db.attempt.count() == 0


async def test_one_off_queries(kit: LiveKit, target: Target) -> None:
    async with kit.connect() as client:
        for number in range(5):
            await client.call(client.reducers.insert_account(f"{number}@x", number, number * 10))
        rows = await client.query("SELECT * FROM account WHERE balance > 15")
        assert sorted(row.id for row in rows) == [2, 3, 4]
        by_sql = target.sql("SELECT * FROM account WHERE balance > 15", "account")
        assert sorted(rows, key=lambda row: row.id) == sorted(by_sql, key=lambda row: row.id)
        assert await client.query("SELECT * FROM account WHERE id = 77") == []
        assert client.db.account.count() == 0


async def test_everything(kit: LiveKit, target: Target) -> None:
    """The conformance row subscribe-all-select-star, private tables left out."""
    async with kit.connect() as client:
        subscribed = client.raw.subscribe_to_all_tables()
        await client._do(subscribed)
        await client.call(client.reducers.insert_attempt("seen"))
        assert client.db.attempt.count() == 1
        assert client.db.user.identity.find(client.raw.identity).online


async def test_sender(kit: LiveKit) -> None:
    """The conformance row test-parameterized-subscription."""
    async with kit.connect() as ada, kit.connect() as bob:
        for client in (ada, bob):
            await client.subscribe("SELECT * FROM pk_identity WHERE key = :sender")
        await ada.call(ada.reducers.insert_caller_pk_identity(1))
        await bob.call(bob.reducers.insert_caller_pk_identity(2))
        await ada.call(ada.reducers.no_op())
        for client, data in ((ada, 1), (bob, 2)):
            (row,) = client.db.pk_identity
            assert (row.key, row.data) == (client.raw.identity, data)


async def test_compression_changes_nothing(kit: LiveKit, target: Target) -> None:
    """The conformance row two-different-compression-algos."""
    size = 32 * 1024
    wanted = bytes(mix(5, at) & 0xFF for at in range(size))
    async with (
        kit.connect(compression="none") as plain,
        kit.connect(compression="gzip") as gzip,
        kit.connect(compression="brotli") as brotli,
    ):
        clients = (plain, gzip, brotli)
        await plain.subscribe("SELECT * FROM blob")
        await plain.call(plain.reducers.make_blob(1, size, 5))
        for client in clients[1:]:
            await client.subscribe("SELECT * FROM blob")
        await gzip.call(gzip.reducers.insert_blob(2, b"ab" * 20_000))
        for client in clients:
            await client.until(lambda client=client: client.db.blob.count() == 2)
            assert client.db.blob.id.find(1).data == wanted
            assert client.db.blob.id.find(2).data == b"ab" * 20_000
    if not kit.is_json:
        assert target.rows("blob") == target.encoded("blob", plain.db.blob)


async def test_unsubscribing_before_it_is_applied(kit: LiveKit) -> None:
    """The conformance row subscribe-and-cancel, as far as this API can be quick enough."""
    seen: list[str] = []
    async with kit.connect() as client:
        await client.call(client.reducers.insert_attempt("x"))
        handle = client.raw.subscribe_soon(
            "SELECT * FROM attempt", on_end=lambda ctx: seen.append("ended")
        )
        handle.unsubscribe_soon()
        await client.until(lambda: handle.is_ended)
        assert client.db.attempt.count() == 0
        await client.call(client.reducers.insert_attempt("y"))
        assert client.db.attempt.count() == 0
        assert seen == ["ended"]

"""Each limit is seen to refuse what is beyond it, by name, and to accept what is just within."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.client import events as ev
from spacetime_proto.errors import (
    DecodeError,
    EncodeError,
    HandshakeError,
    LimitExceeded,
    LocalProtocolError,
    SpacetimeError,
)
from spacetime_proto.limits import DEFAULT_LIMITS, Limits
from spacetime_proto.messages import v1, v2
from spacetime_proto.messages.compression import GZIP, deflate
from spacetime_proto.protocols import ALL_PROTOCOLS, V1_JSON, V3_BSATN
from spacetime_proto.sats.algebraic import UNIT, ArrayType, Primitive, ProductType, RefType
from spacetime_proto.sats.rows import RowList
from spacetime_proto.schema.model import ReducerDef
from tests.support.modules import make_module, product
from tests.support.script import NO_TIME, Script

MIB = 1 << 20
STRING = Primitive("String")
BINARY = [protocol for protocol in ALL_PROTOCOLS if protocol != V1_JSON]

NESTED = product(inside=ArrayType(RefType(0)))
MODULE = make_module(
    {
        "#Nested": NESTED,
        "#Nothing": ProductType(()),
        "Tree": product(id=Primitive("U32"), root=RefType(0)),
        "Empty": product(id=Primitive("U32"), a=ArrayType(UNIT), b=ArrayType(RefType(1))),
        "Late": product(units=ArrayType(UNIT), id=Primitive("U32")),
        "Note": product(text=STRING),
        "Blank": ProductType(()),
    },
    {
        "tree": ("Tree", {"is_public": True}),
        "empty": ("Empty", {"is_public": True}),
        "late": ("Late", {"is_public": True}),
        "note": ("Note", {"is_public": True}),
        "blank": ("Blank", {"is_public": True}),
    },
    reducers=[
        ReducerDef("grow", "grow", product(root=RefType(0))),
        ReducerDef("fill", "fill", product(units=ArrayType(UNIT))),
        ReducerDef("say", "say", product(text=STRING)),
    ],
)


def nested(depth: int) -> tuple[Any, ...]:
    """A value of `NESTED` that enters the type `depth` times."""
    value: tuple[Any, ...] = ([],)
    for _ in range(depth - 1):
        value = ([value],)
    return value


class Peer(Script):
    """A client of `MODULE` under some limits; the server sends without any."""

    def __init__(self, protocol: str, **limits: Any) -> None:
        super().__init__(protocol, module=dynamic_module(MODULE), limits=Limits(**limits))
        self.open()
        self.set_number = 0

    def rows(self, table: str, *rows: tuple[Any, ...]) -> RowList:
        codec = self.module.bound.within(Limits(nesting_depth=1 << 10, zero_size_rows=1 << 20))
        return RowList.from_rows([codec.tables[table].codec.encode(row) for row in rows])

    def apply(self, table: str, *rows: tuple[Any, ...]) -> BaseException | None:
        """Subscribe to a table, get these rows, and return what the connection ended with."""
        self.session.subscribe(f"SELECT * FROM {table}")
        (sent,) = self.received()
        if self.protocol.startswith("v1"):
            update = (self.v1_table(table, rows),)
            answer: Any = v1.SubscribeMultiApplied(sent.request_id, 0, sent.query_id, update)
        else:
            answer = v2.SubscribeAppliedMessage(
                sent.request_id, sent.query_set_id, (self.single(table, *rows),)
            )
        self.send(answer)
        return self.outcome()

    def outcome(self) -> BaseException | None:
        """Return what the connection ended with, None if it goes on."""
        ends = [event for event in self.events() if isinstance(event, ev.Ended)]
        if self.session.has_failed:
            self.session.data_to_send()
            ends += [event for event in self.lose() if isinstance(event, ev.Ended)]
        return ends[0].error if ends else None


def test_defaults_are_the_documented_numbers() -> None:
    limits = DEFAULT_LIMITS
    assert limits.message_size == 1024 * MIB
    assert limits.decompressed_size == 2048 * MIB
    assert limits.decompression_ratio == 1000
    assert limits.decompression_floor == 64 * MIB
    assert limits.nesting_depth == 128
    assert limits.outgoing_size == 32 * MIB
    assert limits.in_flight == 8192
    assert limits.header_size == 64 * 1024
    assert limits.handshake_time == 10.0
    assert limits.verify_rows is False


@pytest.mark.parametrize("name", Limits.__struct_fields__)
@pytest.mark.parametrize("value", [-1, 0, float("nan"), float("inf"), "1", None])
def test_a_limit_that_is_none_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"limit {name} must be .*, not {value!r}"):
        Limits(**{name: value})


def test_true_and_fractions_are_no_counts() -> None:
    for value in (True, 1.5):
        with pytest.raises(ValueError, match="limit nesting_depth must be a number"):
            Limits(nesting_depth=value)  # type: ignore[arg-type]
    assert Limits(handshake_time=0.5, verify_rows=True).handshake_time == 0.5


@pytest.mark.parametrize(
    ("wire_size", "rows"), [(0, 262_144), (1024, 262_144), (MIB, 16 * MIB), (1 << 30, 1 << 25)]
)
def test_rows_follow_the_size_on_the_wire(wire_size: int, rows: int) -> None:
    assert DEFAULT_LIMITS.rows_for(wire_size) == rows


@pytest.mark.parametrize(
    ("wire_size", "result"),
    [(0, 64 * MIB), (1024, 64 * MIB), (MIB, 1000 * MIB), (4 * MIB, 2048 * MIB)],
)
def test_decompressed_size_follows_the_size_on_the_wire(wire_size: int, result: int) -> None:
    assert DEFAULT_LIMITS.decompressed_for(wire_size) == result


# --- what the server sends ----------------------------------------------------------------------

EMPTIES = {
    "one array": (1, [()] * 5, []),
    "two arrays": (1, [()] * 3, [()] * 2),
}


@pytest.mark.parametrize("protocol", ALL_PROTOCOLS)
@pytest.mark.parametrize(
    ("limit", "most", "table", "rows"),
    [
        ("nesting_depth", 4, "tree", [(1, nested(5))]),
        ("zero_size_rows", 4, "empty", [EMPTIES["one array"]]),
        ("zero_size_rows", 4, "empty", [EMPTIES["two arrays"]]),
        ("zero_size_rows", 4, "blank", [()] * 5),
        # The message, the list of rows (v2: of tables) and the rows.
        ("max_rows_per_message", 4, "note", [(text,) for text in "abcde"]),
    ],
)
def test_rows_beyond_a_limit(
    protocol: str, limit: str, most: int, table: str, rows: list[tuple[Any, ...]]
) -> None:
    error = Peer(protocol, **{limit: most}, verify_rows=True).apply(table, *rows)
    assert isinstance(error, LimitExceeded)
    assert (error.limit, error.maximum) == (limit, most)
    assert str(error).endswith(f"(limit {limit} = {most})")
    assert Peer(protocol, **{limit: most + 6}, verify_rows=True).apply(table, *rows) is None


@pytest.mark.parametrize("protocol", ALL_PROTOCOLS)
def test_what_is_just_within_is_read(protocol: str) -> None:
    peer = Peer(protocol, nesting_depth=5, zero_size_rows=5, verify_rows=True)
    assert peer.apply("tree", (1, nested(5))) is None
    (row,) = peer.session.db.tree
    assert row.root.inside[0].inside[0].inside[0].inside[0].inside == []
    peer = Peer(protocol, nesting_depth=4, zero_size_rows=5, verify_rows=True)
    assert peer.apply("empty", EMPTIES["one array"], EMPTIES["two arrays"]) is None
    assert sorted(len(row.b) for row in peer.session.db.empty) == [0, 2]
    assert Peer(protocol, zero_size_rows=5).apply("blank", *[()] * 5) is None


@pytest.mark.parametrize(
    ("limits", "table", "row", "limit"),
    [
        ({"nesting_depth": 4}, "tree", (1, nested(5)), "nesting_depth"),
        ({"zero_size_rows": 4}, "empty", EMPTIES["two arrays"], "zero_size_rows"),
    ],
)
@pytest.mark.parametrize("protocol", BINARY)
def test_a_row_that_is_looked_at_later(
    protocol: str, limits: dict[str, int], table: str, row: tuple[Any, ...], limit: str
) -> None:
    """Without `verify_rows` it is refused when somebody looks, and the connection ends then."""
    peer = Peer(protocol, **limits)
    peer.session.subscribe(f"SELECT * FROM {table}")
    (sent,) = peer.received()
    if protocol.startswith("v1"):
        update = (peer.v1_table(table, (row,)),)
        peer.send(v1.SubscribeMultiApplied(sent.request_id, 0, sent.query_id, update))
    else:
        rows = (peer.single(table, row),)
        peer.send(v2.SubscribeAppliedMessage(sent.request_id, sent.query_set_id, rows))
    peer.events()
    with pytest.raises(LimitExceeded, match=f"of row of table '{table}'") as refused:
        list(getattr(peer.session.db, table))
    assert refused.value.limit == limit
    ended = peer.lose()[-1]
    assert isinstance(ended, ev.Ended)
    assert ended.error is refused.value


@pytest.mark.parametrize("count", [1, 40])
def test_an_index_over_rows_beyond_a_limit(count: int) -> None:
    """Building it goes past what stands before the column; few rows and many have their own ways."""
    peer = Peer(V3_BSATN, zero_size_rows=4)
    assert peer.apply("late", *[([()] * 5, number) for number in range(count)]) is None
    index = peer.session.cache.tables["late"].index((1,))
    with pytest.raises(LimitExceeded, match="zero_size_rows = 4"):
        index.build()
    assert isinstance(peer.outcome(), LimitExceeded)


@pytest.mark.parametrize("protocol", ALL_PROTOCOLS)
def test_a_query_that_answers_too_much(protocol: str) -> None:
    for most, rows in ((4, [()] * 5), (5, [()] * 5)):
        peer = Peer(protocol, zero_size_rows=most)
        pending = peer.session.query("SELECT * FROM blank")
        (sent,) = peer.received()
        if protocol.startswith("v1"):
            table = v1.OneOffTable("blank", peer.rows("blank", *rows))
            peer.send(v1.OneOffQueryResponse(sent.message_id, None, (table,), NO_TIME))
        else:
            peer.send(v2.OneOffQueryResult(sent.request_id, (peer.single("blank", *rows),)))
        error = peer.outcome()
        assert (error is None) == (most == 5)
        assert most == 4 or len(pending.result()) == 5


@pytest.mark.parametrize("protocol", ALL_PROTOCOLS)
@pytest.mark.parametrize(
    ("limit", "reducer", "fits", "too_much"),
    [
        ("nesting_depth", "grow", nested(4), nested(5)),
        ("zero_size_rows", "fill", [()] * 4, [()] * 5),
    ],
)
def test_arguments_beyond_a_limit(
    protocol: str, limit: str, reducer: str, fits: Any, too_much: Any
) -> None:
    """They are the program's: nothing is sent, and the connection goes on."""
    peer = Peer(protocol, **{limit: 4})
    call = getattr(peer.module.reducers, reducer)
    with pytest.raises(EncodeError, match=rf"\(limit {limit} = 4\) in .*arguments of {reducer}"):
        peer.session.call(call(too_much))
    peer.session.call(call(fits))
    assert len(peer.received()) == 1


@pytest.mark.parametrize("protocol", ALL_PROTOCOLS)
def test_a_message_that_is_too_big(protocol: str) -> None:
    for size, ends in ((400, True), (4000, False)):
        peer = Peer(protocol, message_size=size)
        error = peer.apply("note", ("x" * 500,))
        assert isinstance(error, LimitExceeded) == ends
        if error is not None:
            assert isinstance(error, LimitExceeded)
            assert (error.limit, error.maximum) == ("message_size", 400)


@pytest.mark.parametrize("protocol", BINARY)
@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        ({"decompressed_size": 2000}, "decompressed_size"),
        ({"decompression_ratio": 2, "decompression_floor": 1000}, "decompression_ratio"),
    ],
)
def test_a_payload_that_becomes_too_big(protocol: str, limits: dict[str, int], limit: str) -> None:
    """v1.json has no compression. The body is no message, which is noticed once it may be read."""
    for size, ends in ((5000, True), (100, False)):
        peer = Peer(protocol, **limits)
        body = bytes([9]) * size
        assert peer.server is not None
        peer.send_raw(bytes((GZIP,)) + deflate(body, GZIP))
        error = peer.outcome()
        assert isinstance(error, LimitExceeded if ends else DecodeError)
        if isinstance(error, LimitExceeded):
            assert (error.limit, error.maximum) == (limit, limits[limit])


@pytest.mark.parametrize("protocol", BINARY)
@pytest.mark.parametrize(
    ("limits", "ends"),
    [
        ({"row_floor": 40, "row_ratio": 1}, True),
        ({"row_floor": 1, "row_ratio": 1}, True),
        ({"row_floor": 3000, "row_ratio": 1}, False),
        ({"row_floor": 1, "row_ratio": 100}, False),
    ],
)
def test_rows_that_the_size_on_the_wire_does_not_pay_for(
    protocol: str, limits: dict[str, int], ends: bool
) -> None:
    """On v1.json it always does: no row has less than a byte of text."""
    rows = RowList.from_rows([b"\1\0\0\0a"] * 2000)
    peer = Peer(protocol, **limits)
    if protocol.startswith("v1"):
        update = v1.QueryUpdate(RowList.from_rows([]), rows)
        table = v1.TableUpdate(4096, "note", 2000, (update,))
        body = v1.encode_server(v1.TransactionUpdateLight(0, (table,)))
    else:
        part = v2.TableUpdate("note", (v2.PersistentRows(rows, RowList.from_rows([])),))
        body = v2.encode_server(v2.TransactionUpdate((v2.QuerySetUpdate(1, (part,)),)))
    payload = bytes((GZIP,)) + deflate(body, GZIP)
    peer.send_raw(payload)
    error = peer.outcome()
    assert isinstance(error, LimitExceeded) == ends
    if isinstance(error, LimitExceeded):
        allowed = peer.session.options.limits.rows_for(len(payload))
        assert (error.limit, error.maximum) == ("max_rows_per_message", allowed)


# --- what the program asks for ------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ALL_PROTOCOLS)
@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_call_that_is_too_long_to_send(protocol: str, letter: str) -> None:
    """Counted in bytes, also where the message is text; nothing of it is sent."""
    peer = Peer(protocol, outgoing_size=500)
    with pytest.raises(LocalProtocolError, match=r"\(limit outgoing_size = 500\)"):
        peer.session.call(peer.module.reducers.say(letter * (501 // len(letter.encode()))))
    peer.session.call(peer.module.reducers.say(letter * (400 // len(letter.encode()))))
    assert len(peer.received()) == 1
    assert peer.outcome() is None


@pytest.mark.parametrize("protocol", ALL_PROTOCOLS)
def test_too_many_requests_at_a_time(protocol: str) -> None:
    peer = Peer(protocol, in_flight=2)
    peer.session.call(peer.module.reducers.say("a"))
    peer.session.subscribe("SELECT * FROM note")
    for ask in (
        lambda: peer.session.call(peer.module.reducers.say("b")),
        lambda: peer.session.query("SELECT * FROM note"),
        lambda: peer.session.subscribe("SELECT * FROM tree"),
    ):
        with pytest.raises(LocalProtocolError, match=r"\(limit in_flight = 2\)"):
            ask()
    assert len(peer.received()) == 2


# --- the handshake ------------------------------------------------------------------------------


def failure_of(script: Script) -> SpacetimeError:
    (failed,) = [event for event in script.events() if isinstance(event, ev.ConnectFailed)]
    assert isinstance(failed.error, SpacetimeError)
    return failed.error


@pytest.mark.parametrize(("size", "refused"), [(200, True), (2000, False)])
def test_headers_that_are_too_long(size: int, refused: bool) -> None:
    script = Script(limits=Limits(header_size=size))
    script.start()
    assert script.server is not None
    script.server.accept(0.0, subprotocol=script.protocol, headers=[("X", "y" * 300)])
    script.deliver()
    if refused:
        error = failure_of(script)
        assert isinstance(error, HandshakeError)
        assert str(error).endswith("(limit header_size = 200)")
    else:
        script.greet()
        assert any(isinstance(event, ev.Connected) for event in script.events())


def test_a_handshake_that_takes_too_long() -> None:
    script = Script(limits=Limits(handshake_time=3))
    script.start()
    assert script.session.deadline == 3.0
    script.session.tick(now=2.9)
    assert script.events() == []
    script.session.tick(now=3.0)
    assert str(failure_of(script)).endswith("(limit handshake_time = 3)")

"""The two commonest messages of v2 and v3, read at once or left to the general path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.client.dialects import v2_short
from spacetime_proto.client.dialects.v2_short import Heads, read_short
from spacetime_proto.client.meaning import CallCommitted, RowChanged
from spacetime_proto.messages import v2
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from spacetime_proto.types import Timestamp


def rows(*given: bytes) -> RowList:
    return RowList.from_rows(list(given))


def update(
    *fragments: v2.PersistentRows | v2.EventRows,
    table: str = "user",
    sets: int = 1,
    tables: int = 1,
) -> bytes:
    update = v2.TableUpdate(table, fragments)
    query_set = v2.QuerySetUpdate(9, (update,) * tables)
    return v2.encode_server(v2.TransactionUpdate((query_set,) * sets))


def fragment(inserts: RowList = EMPTY_ROWS, deletes: RowList = EMPTY_ROWS) -> v2.PersistentRows:
    return v2.PersistentRows(inserts, deletes)


INSERT = update(fragment(rows(b"new")))
REPLACE = update(fragment(rows(b"new"), rows(b"older")))
DELETE = update(fragment(EMPTY_ROWS, rows(b"old")))


@pytest.mark.parametrize(
    ("data", "new", "old", "cost"),
    [(INSERT, b"new", None, 5), (DELETE, None, b"old", 5), (REPLACE, b"new", b"older", 6)],
)
def test_a_row_each_way_is_read(
    data: bytes, new: bytes | None, old: bytes | None, cost: int
) -> None:
    heads: Heads = {}
    payload = b"\0" + data + b"the next message"
    for _ in range(2):
        found = read_short(payload, 1, heads)
        assert isinstance(found, RowChanged)
        assert (found.query_set, found.table) == (9, "user")
        assert (found.new, found.old, found.cost) == (new, old, cost)
        assert found.end == 1 + len(data)
        assert found.data is payload
    assert list(heads.values()) == [(9, "user")]


def test_the_cost_is_within_what_is_reserved() -> None:
    change = read_short(REPLACE, 0, {})
    assert change is not None
    assert change.cost == v2_short.MAX_COST


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(update(fragment(rows(b"a", b"b"))), id="two rows inserted"),
        pytest.param(update(fragment(EMPTY_ROWS, rows(b"a", b"b"))), id="two rows deleted"),
        pytest.param(update(fragment(rows(b"a", b"bc"))), id="rows with offsets"),
        pytest.param(update(fragment(rows(b"a")), fragment(rows(b"b"))), id="two fragments"),
        pytest.param(update(v2.EventRows(rows(b"a"))), id="event rows"),
        pytest.param(update(fragment(rows(b"a")), sets=2), id="two query sets"),
        pytest.param(update(fragment(rows(b"a")), tables=2), id="two tables"),
        pytest.param(update(), id="no fragment"),
        pytest.param(update(fragment(rows(b"a")), table="u" * 300), id="a long name"),
        pytest.param(v2.encode_server(v2.TransactionUpdate(())), id="nothing"),
        pytest.param(
            v2.encode_server(v2.SubscriptionErrorMessage(None, 1, "no")), id="another kind"
        ),
        pytest.param(INSERT.replace(b"user", b"\xff\xff\xff\xff"), id="a name that is no text"),
    ],
)
def test_the_rest_is_for_the_general_path(data: bytes) -> None:
    heads: Heads = {}
    assert read_short(data, 0, heads) is None
    assert heads == {} or read_short(INSERT, 0, heads) is not None


@pytest.mark.parametrize("data", [INSERT, DELETE, REPLACE])
def test_a_cut_message_is_for_the_general_path(data: bytes) -> None:
    heads: Heads = {}
    assert read_short(data, 0, heads) is not None
    for end in range(len(data)):
        assert read_short(data[:end], 0, {}) is None
        assert read_short(data[:end], 0, heads) is None


@given(st.binary(max_size=80), st.integers(0, 90))
def test_damage_is_never_more_than_none(data: bytes, pos: int) -> None:
    for kind in (b"\x04", b"\x06"):
        found = read_short(data[:pos] + kind + data[pos:], pos, {})
        assert found is None or found.end <= len(data) + 1


def test_heads_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v2_short, "_MAX_HEADS", 2)
    heads: Heads = {}
    made = [update(fragment(rows(b"a")), table=f"t{number}") for number in range(3)]
    assert [read_short(data, 0, heads) is not None for data in made] == [True, True, False]
    assert len(heads) == 2
    assert read_short(made[0], 0, heads) is not None


def result(outcome: object) -> bytes:
    return v2.encode_server(v2.ReducerResult(5, Timestamp(77), outcome))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "outcome", [v2.ReducerOkEmpty(), v2.ReducerOk(b"", v2.TransactionUpdate(()))]
)
def test_a_call_that_just_succeeded_is_read(outcome: object) -> None:
    data = result(outcome)
    found = read_short(data + b"the next message", 0, {})
    assert isinstance(found, CallCommitted)
    assert (found.request_id, found.micros, found.end) == (5, 77, len(data))
    for end in range(len(data)):
        assert read_short(data[:end], 0, {}) is None


@pytest.mark.parametrize(
    "outcome",
    [
        v2.ReducerOk(b"value", v2.TransactionUpdate(())),
        v2.ReducerOk(b"", v2.TransactionUpdate((v2.QuerySetUpdate(1, ()),))),
        v2.ReducerErr(b"\x02\0\0\0no"),
        v2.ReducerInternalError("no"),
    ],
)
def test_other_outcomes_are_for_the_general_path(outcome: object) -> None:
    assert read_short(result(outcome), 0, {}) is None

from __future__ import annotations

import pytest
from hypothesis import Phase, find, given, settings

from spacetime_proto.messages import v1, v2
from spacetime_proto.sats.rows import RowList
from spacetime_proto.testing import message_strategies as made
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp

#: The first that fits will do.
ANY = settings(database=None, deadline=None, max_examples=2000, phases=[Phase.generate])


@given(made.u32s())
def test_u32s_fit(number: int) -> None:
    assert 0 <= number <= 0xFFFF_FFFF


def test_values() -> None:
    assert find(made.identities(), lambda _: True) == Identity(bytes(32))
    assert find(made.connection_ids(), lambda _: True) == ConnectionId(bytes(16))
    assert find(made.timestamps(), lambda _: True) == Timestamp(0)
    assert find(made.durations(), lambda _: True) == TimeDuration(0)


def test_row_lists_of_both_kinds() -> None:
    assert find(made.row_lists(), lambda rows: rows.row_size > 0).row_size
    assert len(find(made.row_lists(), lambda rows: len(rows) > 1 and not rows.row_size)) > 1
    assert not len(find(made.row_lists(), lambda rows: True))


def test_rows_can_be_given() -> None:
    only = made.st.just(b"row")
    assert find(made.row_lists(only), len).slices() == [b"row"]
    lists = made.st.just(RowList.from_rows([b"row"]))
    assert find(made.v2_server_messages(lists), lambda m: isinstance(m, v2.SubscribeAppliedMessage))
    assert find(made.v1_server_messages(lists), lambda m: isinstance(m, v1.InitialSubscription))


def kinds(*unions: object) -> list[type]:
    return [kind for union in unions for kind in union.__args__]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", kinds(v2.ClientMessage, v2.ServerMessage))
def test_every_v2_message_is_drawn(kind: type) -> None:
    both = made.v2_client_messages() | made.v2_server_messages()
    assert find(both, lambda message: type(message) is kind, settings=ANY)


@pytest.mark.parametrize("kind", kinds(v1.ClientMessage, v1.ServerMessage))
@pytest.mark.parametrize("json", [False, True])
def test_every_v1_message_is_drawn(kind: type, json: bool) -> None:
    both = made.v1_client_messages(json=json) | made.v1_server_messages(json=json)
    assert find(both, lambda message: type(message) is kind, settings=ANY)


@given(made.v1_client_messages(json=True))
def test_arguments_of_json_are_text(message: v1.ClientMessage) -> None:
    assert isinstance(getattr(message, "args", ""), str)

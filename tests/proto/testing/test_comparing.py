from __future__ import annotations

from spacetime_proto.messages import v2
from spacetime_proto.sats.rows import RowList
from spacetime_proto.testing import comparable


def message(rows: RowList) -> v2.SubscribeAppliedMessage:
    return v2.SubscribeAppliedMessage(1, 2, (v2.SingleTableRows("t", rows),))


def test_row_lists_are_compared_by_their_rows() -> None:
    one = message(RowList(b"xaabby", 1, 5, 2))
    other = message(RowList(b"aabb", 0, 4, 0, (0, 2)))
    assert one != other
    assert comparable(one) == comparable(other)
    assert comparable(one) != comparable(message(RowList(b"aabb", 0, 4, 4)))


def test_structs_of_other_names_differ() -> None:
    assert comparable(v2.ReducerErr(b"")) != comparable(v2.ProcedureReturned(b""))
    assert comparable(v2.ReducerErr(b"x")) == ("ReducerErr", b"x")
    assert comparable(7) == 7

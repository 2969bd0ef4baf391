"""The values in the BSATN recordings are those that the server itself wrote as JSON.

A scenario went through the same calls on every protocol, so arguments and rows can be compared; what
differs are the caller's identity, times, and rows that an earlier run had left behind.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import DecodeError
from spacetime_proto.messages import v1, v2
from spacetime_proto.sats.sats_json import dumps, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spacetime_proto.sats.rows import RowList

#: "+" or "-", the table, and the row as the text that `replay` prints.
Change = tuple[str, str, str]


def rows_of(message: object) -> Iterator[tuple[str, str, RowList]]:
    """Yield ("+" or "-", table, rows) of a server message of any protocol."""
    match message:
        case v1.TransactionUpdate(v1.Committed(update)) | v1.TransactionUpdateLight(_, update):
            yield from _v1_rows(update)
        case v1.SubscribeMultiApplied(_, _, _, update):
            yield from _v1_rows(update)
        case v2.ReducerResult(_, _, v2.ReducerOk(_, v2.TransactionUpdate(query_sets))):
            yield from _v2_rows(query_sets)
        case v2.TransactionUpdate(query_sets):
            yield from _v2_rows(query_sets)
        case v2.SubscribeAppliedMessage(_, _, tables):
            for one in tables:
                yield "+", one.table, one.rows


def _v1_rows(update: v1.DatabaseUpdate) -> Iterator[tuple[str, str, RowList]]:
    for table in update:
        for rows in table.updates:
            yield "+", table.table_name, rows.inserts
            yield "-", table.table_name, rows.deletes


def _v2_rows(query_sets: tuple[v2.QuerySetUpdate, ...]) -> Iterator[tuple[str, str, RowList]]:
    for query_set in query_sets:
        for table in query_set.tables:
            for rows in table.rows:
                assert isinstance(rows, v2.PersistentRows)
                yield "+", table.table_name, rows.inserts
                yield "-", table.table_name, rows.deletes


def changes(golden: Any, name: str) -> Counter[Change]:
    """Return every row that came or went in a recording."""
    module = golden.module(name)
    found: Counter[Change] = Counter()
    for direction, message in golden.session(name).decode(golden.codec(name)):
        if direction == "client":
            continue
        for sign, table, rows in rows_of(message):
            codec = module.tables[table].codec
            for row in codec.decode_rows(rows):
                text = dumps(to_json(codec.type, module.types, row, style="named"))
                found[sign, table, text] += 1
    return found


def calls(golden: Any, name: str) -> list[tuple[str, tuple[Any, ...] | None]]:
    """Return the calls of a recording in order; None for arguments that are none."""
    module = golden.module(name)
    found = []
    for _, message in golden.session(name).decode(golden.codec(name)):
        match message:
            case v1.CallReducer(called, args) | v2.CallReducer(_, called, args):
                function = module.reducers.get(called)
            case v1.CallProcedure(called, args) | v2.CallProcedure(_, called, args):
                function = module.procedures.get(called)
            case _:
                continue
        values = None
        if function is not None:
            try:
                values = (
                    function.args_from_json(args)
                    if isinstance(args, str)
                    else function.decode_args(args)
                )
            except DecodeError:
                # The chat scenario calls with missing arguments, on purpose.
                values = None
        found.append((called, values))
    return found


def names(golden: Any, scenario: str) -> list[str]:
    return [
        name
        for name in golden.names
        if name.split(".")[0] == scenario and ".bsatn." in name and ".light" not in name
    ]


def test_snapshots_are_equal(golden: Any) -> None:
    expected = changes(golden, "types_snapshot.v1.json.none.jsonl")
    assert expected.total() == 192
    found = names(golden, "types_snapshot")
    assert len(found) >= 3
    for name in found:
        assert changes(golden, name) == expected, name


def test_both_json_forms_of_a_row_are_the_same_row(golden: Any) -> None:
    # Transactions write rows positionally, snapshots write objects: each row of every type comes
    # in both forms.
    positional = changes(golden, "types.v1.json.none.jsonl")
    assert positional == changes(golden, "types_snapshot.v1.json.none.jsonl")


def test_changes_of_keyed_tables_are_equal(golden: Any) -> None:
    expected = changes(golden, "keys.v1.json.none.jsonl")
    found = names(golden, "keys")
    assert len(found) >= 5
    for name in found:
        differing = (expected - changes(golden, name)) | (changes(golden, name) - expected)
        # The JSON run came first: later ones found the row of this enum there already.
        assert {table for _, table, _ in differing} <= {"pk_simple_enum"}, name


@pytest.mark.parametrize("scenario", ["chat", "types", "keys", "procedures", "event_table"])
def test_arguments_are_equal(golden: Any, scenario: str) -> None:
    expected = calls(golden, f"{scenario}.v1.json.none.jsonl")
    assert expected
    for name in names(golden, scenario):
        assert calls(golden, name) == expected, name


def test_return_values_are_equal(golden: Any) -> None:
    def returned(name: str) -> list[Any]:
        procedures = golden.module(name).procedures
        called = [function for function, _ in calls(golden, name) if function in procedures]
        found = {}
        for _, message in golden.session(name).decode(golden.codec(name)):
            if isinstance(message, v1.ProcedureResult | v2.ProcedureResult):
                status = message.status
                found[message.request_id] = getattr(status, "value", None)
        values = []
        for procedure, request_id in zip(called, sorted(found), strict=False):
            value = found[request_id]
            function = procedures[procedure]
            if isinstance(value, str):
                value = function.return_from_json(value)
            elif value is not None:
                value = function.decode_return(value)
            values.append((procedure, value))
        return values

    expected = returned("procedures.v1.json.none.jsonl")
    assert expected
    for name in names(golden, "procedures"):
        assert returned(name) == expected, name

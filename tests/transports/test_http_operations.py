"""Requests and answers of the HTTP interface, without a network."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from spacetime_proto.errors import (
    AuthError,
    DatabaseNotFound,
    DecodeError,
    EncodeError,
    HttpError,
    InternalError,
    LocalProtocolError,
    QueryError,
    ReducerError,
    SchemaError,
)
from spacetime_proto.schema.bound import BoundModule
from spacetime_proto.schema.load import load_schema
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp, Uuid
from spacetime_proto.wire.http_exchange import HttpResponse
from spacetime_transports.http import operations, publishing
from spacetime_transports.http.results import IssuedIdentity, SqlResult

SCHEMAS = Path(__file__).parents[1] / "golden" / "schema"
HEX = "c2" * 32


def answer(operation: operations.Operation[Any], body: Any = b"", status: int = 200) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return operation.result(HttpResponse(status, body=data))


# --- requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "line"),
    [
        (operations.ping(), "GET /v1/ping"),
        (operations.identity(), "POST /v1/identity"),
        (operations.websocket_token(), "POST /v1/identity/websocket-token"),
        (operations.database_identity("a/b"), "GET /v1/database/a%2Fb/identity"),
        (operations.names("x"), "GET /v1/database/x/names"),
        (operations.schema("x"), "GET /v1/database/x/schema?version=10"),
        (operations.schema("x", version=9), "GET /v1/database/x/schema?version=9"),
        (operations.sql("x", "S"), "POST /v1/database/x/sql"),
        (operations.sql("x", "S", confirmed=True), "POST /v1/database/x/sql?confirmed=true"),
        (operations.call("x", "a b"), "POST /v1/database/x/call/a%20b"),
        (operations.logs("x"), "GET /v1/database/x/logs"),
        (
            operations.logs("x", num_lines=3, follow=True),
            "GET /v1/database/x/logs?num_lines=3&follow=true",
        ),
        (publishing.publish("x", b""), "PUT /v1/database/x"),
        (publishing.publish("x", b"", clear=True), "PUT /v1/database/x?clear=true"),
        (publishing.publish(None, b""), "POST /v1/database"),
        (operations.delete("x"), "DELETE /v1/database/x"),
    ],
)
def test_request_lines(operation: operations.Operation[Any], line: str) -> None:
    assert f"{operation.request.method} {operation.request.target}" == line


def test_bodies() -> None:
    assert operations.sql("x", "SELECT \u20ac").request.body == "SELECT \u20ac".encode()
    assert publishing.publish("x", b"\0asm").request.body == b"\0asm"
    request = operations.call("x", "f", {"a": 2**100}).request
    assert request.headers.get("content-type") == "application/json"
    assert json.loads(request.body) == {"a": 2**100}


def test_arguments_by_name_are_sent_in_order_if_the_bindings_know_the_names() -> None:
    """Servers before 2.14 know other names of parameters; all know the order."""
    text = (SCHEMAS / "quickstart-chat.v10.json").read_text()
    module = BoundModule(load_schema(text))

    def body(args: Any) -> Any:
        return json.loads(operations.call("x", "set_name", args, module=module).request.body)

    assert body({"name": "a"}) == ["a"]
    assert body({"Name": "a"}) == {"Name": "a"}
    assert body({"name": "a", "more": 5}) == {"name": "a", "more": 5}


def test_arguments_may_hold_value_types() -> None:
    args = [
        Identity.from_int(5),
        ConnectionId.from_int(6),
        Uuid.from_int(7),
        Timestamp(8),
        TimeDuration(9),
        b"\xff",
    ]
    assert json.loads(operations.call("x", "f", args).request.body) == [
        {"__identity__": "0x" + "0" * 63 + "5"},
        {"__connection_id__": 6},
        {"__uuid__": 7},
        {"__timestamp_micros_since_unix_epoch__": 8},
        {"__time_duration_micros__": 9},
        "ff",
    ]


@pytest.mark.parametrize("bad", [object(), math.nan])
def test_arguments_that_are_no_json(bad: object) -> None:
    with pytest.raises(EncodeError, match="the arguments"):
        operations.call("x", "f", [bad])


def test_a_database_needs_a_name() -> None:
    with pytest.raises(LocalProtocolError, match="empty"):
        operations.names("")


# --- answers ----------------------------------------------------------------------------------


def test_simple_answers() -> None:
    assert answer(operations.ping()) is None
    issued = answer(operations.identity(), {"identity": HEX, "token": "secret"})
    assert issued == IssuedIdentity(Identity.from_hex(HEX), "secret")
    assert "secret" not in repr(issued)
    assert answer(operations.websocket_token(), {"token": "t"}) == "t"
    assert answer(operations.database_identity("x"), HEX.encode()) == Identity.from_hex(HEX)
    assert answer(operations.names("x"), {"names": ["a", "b"]}) == ("a", "b")
    assert answer(operations.delete("x")) is None


@pytest.mark.parametrize("domain", ["x", None])
def test_published(domain: str | None) -> None:
    body = {"Success": {"domain": domain, "database_identity": HEX, "op": "created"}}
    published = answer(publishing.publish("x", b""), body)
    assert (published.domain, published.op) == (domain, "created")
    assert published.identity == Identity.from_hex(HEX)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (operations.identity(), b"not json"),
        (operations.identity(), {"identity": "zz", "token": ""}),
        (operations.identity(), {"token": ""}),
        (operations.identity(), []),
        (operations.names("x"), {"names": [1]}),
        (operations.sql("x", "S"), []),
        (operations.sql("x", "S"), [{"schema": {}}]),
        (publishing.publish("x", b""), {"Failure": 1}),
    ],
)
def test_answers_of_the_wrong_shape(operation: operations.Operation[Any], body: Any) -> None:
    with pytest.raises(DecodeError):
        answer(operation, body)


def test_schemas() -> None:
    text = (SCHEMAS / "quickstart-chat.v10.json").read_bytes()
    module = answer(operations.schema("chat"), text)
    assert {table.name for table in module.tables} >= {"user", "message"}
    with pytest.raises(SchemaError):
        answer(operations.schema("chat"), {})


# --- sql --------------------------------------------------------------------------------------


def column(name: str | None, ty: Any) -> dict[str, Any]:
    return {"name": {"none": []} if name is None else {"some": name}, "algebraic_type": ty}


def sql_result(columns: list[Any], rows: list[Any], **more: Any) -> SqlResult:
    body = [{"schema": {"elements": columns}, "rows": rows, **more}]
    result = answer(operations.sql("x", "S"), body)
    assert isinstance(result, SqlResult)
    return result


def test_rows_are_objects() -> None:
    identity = {"Product": {"elements": [column("__identity__", {"U256": []})]}}
    result = sql_result(
        [column("id", {"U64": []}), column("who", identity), column(None, {"F64": []})],
        [[2**63, ["0x" + HEX], 0.5], [1, ["0x5"], None]],
        total_duration_micros=7,
        stats={"rows_inserted": 1, "rows_deleted": 2, "rows_updated": 3},
    )
    assert result.columns == ("id", "who", "column_2")
    first, second = result.rows
    assert result.rows is result.rows
    assert first.id == 2**63
    assert first.who == Identity.from_hex(HEX)
    assert second.who == Identity.from_int(5)
    assert math.isnan(tuple(getattr(second, n) for n in second.__struct_fields__)[2])
    assert result.raw_rows[0][0] == 2**63
    assert len(result) == 2
    assert result.duration_micros == 7
    stats = result.stats
    assert (stats.rows_inserted, stats.rows_deleted, stats.rows_updated) == (1, 2, 3)
    assert repr(result) == "SqlResult(2 rows of id, who, column_2)"


def test_a_result_is_a_sequence_of_its_rows() -> None:
    result = sql_result([column("n", {"U8": []})], [[1], [2], [3]])
    assert isinstance(result, Sequence)
    assert [row.n for row in result] == [1, 2, 3]
    assert (result[0].n, result[-1].n) == (1, 3)
    assert [row.n for row in result[1:]] == [2, 3]
    assert result.rows[1] in result
    assert result.index(result.rows[2]) == 2
    assert [row.n for row in reversed(result)] == [3, 2, 1]
    with pytest.raises(IndexError):
        _ = result[3]


def test_a_result_makes_frames() -> None:
    identity = {"Product": {"elements": [column("__identity__", {"U256": []})]}}
    result = sql_result(
        [column("class", {"U128": []}), column("who", identity), column(None, {"F64": []})],
        [[2**100, ["0x" + HEX], 0.5], [1, ["0x5"], None]],
    )
    pytest.importorskip("pyarrow")
    frame = result.to_arrow()
    assert frame.column_names == ["class_", "who", "field_2"]
    assert frame.column("class_").to_pylist() == [2**100, 1]
    assert frame.column("who").to_pylist() == [HEX, "5".zfill(64)]
    first, second = frame.column("field_2").to_pylist()
    assert first == 0.5
    assert math.isnan(second)
    pytest.importorskip("pandas")
    assert list(result.to_pandas()["who"]) == [HEX, "5".zfill(64)]
    pytest.importorskip("polars")
    assert result.to_polars()["class_"].to_list() == [str(2**100), "1"]
    html = result._repr_html_()
    assert "<caption>SQL result: 2 rows</caption><thead><tr><th>class_</th><th>who</th>" in html
    assert f"<td>{HEX}</td>" in html


def test_a_statement_without_rows() -> None:
    result = sql_result([], [])
    assert result.rows == []
    assert list(result) == []
    pytest.importorskip("pyarrow")
    assert result.to_arrow().num_rows == 0
    assert repr(result) == "SqlResult(0 rows of nothing)"


def test_a_row_that_does_not_fit_its_schema() -> None:
    result = sql_result([column("id", {"U8": []})], [[1], [256]])
    with pytest.raises(DecodeError, match="row 1 of a SQL result"):
        _ = result.rows


def test_refused_sql_keeps_the_servers_words() -> None:
    with pytest.raises(QueryError, match="no such table: `y`") as caught:
        answer(operations.sql("x", "SELECT"), b"no such table: `y`", 400)
    assert caught.value.query == "SELECT"
    with pytest.raises(AuthError):
        answer(operations.sql("x", "S"), b"Authorization is invalid: malformed token", 400)


# --- calls ------------------------------------------------------------------------------------


def test_results_of_calls() -> None:
    assert answer(operations.call("x", "f")) is None
    assert answer(operations.call("x", "f"), [1, 2]) == [1, 2]


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (530, "Names must not be empty", ReducerError),
        (404, "No such procedure", InternalError),
        (400, "invalid arguments for reducer f", InternalError),
        (500, "The instance encountered a fatal error", InternalError),
        (400, "Authorization is invalid: malformed token", AuthError),
        (403, "client_connected said no", AuthError),
        (404, "`x` not found", DatabaseNotFound),
        (402, "out of energy", HttpError),
    ],
)
def test_calls_that_fail(status: int, text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=text) as caught:
        answer(operations.call("x", "f"), text.encode(), status)
    assert type(caught.value) is kind
    if isinstance(caught.value, ReducerError | InternalError):
        assert caught.value.name == "f"


def test_calls_with_bindings_are_typed() -> None:
    text = (SCHEMAS / "sdk-test-procedure.v10.json").read_bytes()
    module = BoundModule(load_schema(text))
    name, function = next(
        (name, one)
        for name, one in module.procedures.items()
        if "sum" in name or "primitive" in name
    )
    with pytest.raises(EncodeError):
        operations.call("x", name, [object()] * 9, module=module)
    assert function.param_names is not None
    with pytest.raises(LocalProtocolError, match="no reducer or procedure 'nope'"):
        operations.call("x", "nope", module=module)


# --- errors of everything else ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (401, "Invalid token: ExpiredSignature", AuthError),
        (403, "c2 is not authorized to perform action on database", AuthError),
        (404, "`x` not found", DatabaseNotFound),
        (404, "No such database.", DatabaseNotFound),
        (404, "", DatabaseNotFound),
        (404, "<html>", HttpError),
        (500, "boom", HttpError),
    ],
)
def test_error_statuses(status: int, text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        answer(operations.names("x"), text.encode(), status)
    assert type(caught.value) is kind
    assert text in str(caught.value)
    assert caught.value.status == status  # type: ignore[attr-defined]


def test_1_x_says_nothing_of_a_database_that_it_does_not_have() -> None:
    """Status 404 without a body: the error names the database all the same."""
    for operation in (
        operations.schema("no/such one"),
        operations.sql("no/such one", "SELECT 1"),
        operations.call("no/such one", "f"),
        operations.delete("no/such one"),
    ):
        with pytest.raises(DatabaseNotFound, match="no database 'no/such one'"):
            answer(operation, b"", 404)
    with pytest.raises(HttpError):
        answer(operations.ping(), b"", 404)


def test_of_a_page_the_first_line_is_enough() -> None:
    with pytest.raises(HttpError) as caught:
        answer(operations.names("x"), b"<html>\n<head>\n", 500)
    assert str(caught.value) == "the names of x failed with HTTP status 500: <html>"
    assert caught.value.body == "<html>\n<head>"


# --- logs -------------------------------------------------------------------------------------


def test_log_lines_are_cut_wherever_the_pieces_are() -> None:
    data = b'{"level":"Info","ts":1,"message":"\xe2\x82\xac"}\n\n{"level":"Panic"}\n{"lev'
    for step in (1, 5, 100):
        lines = operations.LogLines(operations.logs("x"))
        entries = list(lines.feed(HttpResponse(200)))
        for at in range(0, len(data), step):
            entries += lines.feed(data[at : at + step])
        assert entries == [
            {"level": "Info", "ts": 1, "message": "\u20ac"},
            {"level": "Panic"},
        ]


def test_log_lines_that_are_none() -> None:
    lines = operations.LogLines(operations.logs("x"))
    with pytest.raises(DecodeError, match="a line of the log"):
        list(lines.feed(b"[]\n"))
    with pytest.raises(AuthError):
        list(lines.feed(HttpResponse(401, body=b"Authorization required")))


@pytest.mark.parametrize("wrong", [-1, float("nan"), True, 1.5])
def test_numbers_without_meaning(wrong: Any) -> None:
    with pytest.raises(LocalProtocolError, match=f"num_lines must be .*, not {wrong!r}"):
        operations.logs("x", num_lines=wrong)
    with pytest.raises(LocalProtocolError, match=f"version must be 9 or 10, not {wrong!r}"):
        operations.schema("x", version=wrong)

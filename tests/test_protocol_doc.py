"""docs/protocol.md: its examples are what the library reads and writes, its sections exist.

Blocks of examples start with three backticks and ``hex KIND`` or ``json KIND``. In a hex block an
example is a paragraph: lines of hex digits, each with a remark after two spaces, then ``= VALUE``
in JSON. In a json block every line is a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from spacetime_proto.limits import DEFAULT_LIMITS
from spacetime_proto.messages import payloads, v1, v2
from spacetime_proto.messages.declare import Messages, wire_name
from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.sats import algebraic as types
from spacetime_proto.sats import sats_json
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.rows import RowList
from spacetime_proto.schema import raw_types
from spacetime_proto.schema.raw_bsatn import load_raw_module
from spacetime_proto.schema.reader import Reader, type_to_json
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp
from tests.support.type_bytes import decode_type, encode_type

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs/protocol.md").read_text()
BLOCK = re.compile(r"^```(hex|json) ([^\n]+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NO_TYPES = TypeContext(types.Typespace())

# --- examples of messages -----------------------------------------------------------------------


def examples(kind: str) -> list[tuple[bytes, Any]]:
    """Return what the hex blocks of a kind say: bytes, and what they stand for."""
    found = []
    for language, name, text in BLOCK.findall(DOCUMENT):
        if (language, name) == ("hex", kind):
            found += [example(paragraph) for paragraph in text.strip("\n").split("\n\n")]
    assert found, f"docs/protocol.md has no examples of {kind}"
    return found


def example(paragraph: str) -> tuple[bytes, Any]:
    digits, _, value = paragraph.partition("\n= ")
    lines = (re.split(r" {2,}", line.strip())[0] for line in digits.splitlines())
    return bytes.fromhex("".join(lines)), sats_json.loads(value)


#: Structs that are fields or elements, not alternatives: written without their name.
PLAIN = {
    "OneOffTable",
    "QuerySetUpdate",
    "QueryUpdate",
    "ReducerCallInfo",
    "SingleTableRows",
    "SubscribeRows",
    "SubscribeSet",
    "SubscribeSetResult",
    "TableUpdate",
}
#: Alternatives that the library calls more than the wire does.
WIRE_NAMES = {
    "EventRows": "EventTable",
    "PersistentRows": "PersistentTable",
    "ProcedureInternalError": "InternalError",
    "ProcedureReturned": "Returned",
    "ReducerErr": "Err",
    "ReducerInternalError": "InternalError",
    "ReducerOk": "Ok",
}


def product(**fields: types.AlgebraicType) -> types.ProductType:
    return types.ProductType(tuple(types.Element(name, ty) for name, ty in fields.items()))


#: The tables of the examples.
ROWS = {
    "user": product(id=types.Primitive("U64"), name=types.Primitive("String")),
    "view_pk_player": product(id=types.Primitive("U64"), name=types.Primitive("String")),
    "happening": product(name=types.Primitive("String"), value=types.Primitive("U64")),
}


def stated(value: Any, table: str = "") -> Any:
    """Return a message as the document writes it."""
    match value:
        case RowList():
            return [row_json(row, table) for row in value.slices()]
        case Timestamp():
            return value.micros_since_unix_epoch
        case TimeDuration():
            return value.micros
        case bytes():
            return value.hex()
        case tuple():
            return [stated(item, table) for item in value]
        case Identity() | ConnectionId():
            return value.to_hex()
        case msgspec.Struct():
            inside = getattr(value, "table", "") or getattr(value, "table_name", table)
            fields = {
                name: stated(getattr(value, name), inside) for name in value.__struct_fields__
            }
            name = wire_name(type(value))
            return fields if name in PLAIN else {WIRE_NAMES.get(name, name): fields}
    return value


def row_json(row: bytes, table: str) -> Any:
    ty = ROWS[table]
    return sats_json.to_json(ty, NO_TYPES, NO_TYPES.codec(ty).decode_exact(row))


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_client_messages(version: str) -> None:
    encode = v1.encode_client if version == "v1" else v2.encode_client
    for payload, value in examples(f"{version} client"):
        messages: list[Any] = list(
            payloads.decode_client_payload(f"{version}.bsatn.spacetimedb", payload)
        )
        assert [stated(message) for message in messages] == listed(value)
        assert b"".join(map(encode, messages)) == payload


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_server_messages(version: str) -> None:
    encode = v1.encode_server if version == "v1" else v2.encode_server
    for payload, value in examples(f"{version} server"):
        messages: list[Any] = list(
            payloads.decode_server_payload(f"{version}.bsatn.spacetimedb", payload)
        )
        assert [stated(message) for message in messages] == listed(value)
        body, start = payloads.decompress(payload, DEFAULT_LIMITS)
        assert b"".join(map(encode, messages)) == body[start:]


def listed(value: Any) -> list[Any]:
    """Several messages of one payload stand in a list, one alone does not."""
    return value if isinstance(value, list) else [value]


def test_row_lists() -> None:
    for data, rows in examples("row list"):
        found, end = RowList.decode(data, 0)
        assert end == len(data)
        assert [row.hex() for row in found.slices()] == rows


@pytest.mark.parametrize("role", ["client", "server"])
def test_json_messages(role: str) -> None:
    kinds = get_args(v1.ClientMessage if role == "client" else v1.ServerMessage)
    told: Messages[Any] = v1.CLIENT if role == "client" else v1.SERVER
    rows = JsonCodec(lambda _, text: text.encode(), lambda _, row: row.decode())
    (text,) = (text for _, kind, text in BLOCK.findall(DOCUMENT) if kind == f"v1.json {role}")
    messages = [sats_json.loads(line) for line in text.splitlines()]
    assert {name for message in messages for name in message} == set(map(wire_name, kinds))
    for line, message in zip(text.splitlines(), messages, strict=True):
        again = told.to_json(told.from_json(line, rows), rows)
        assert sats_json.loads(again) == message


# --- examples of values, types and modules ------------------------------------------------------

HEADER = "| Type | BSATN | Typed JSON | Untyped JSON |"
U8, U32, I32, STRING = (types.Primitive(name) for name in ("U8", "U32", "I32", "String"))
NAMED_TYPES: dict[str, types.AlgebraicType] = {
    "Identity": types.IDENTITY,
    "ConnectionId": types.CONNECTION_ID,
    "Timestamp": types.TIMESTAMP,
    "TimeDuration": types.TIME_DURATION,
    "Uuid": types.UUID,
    "ScheduleAt": types.SCHEDULE_AT,
    "bytes": types.BYTES,
    "unit": types.UNIT,
    "Array<U32>": types.ArrayType(U32),
    "Option<I32>": types.option(I32),
    "Result<U8, String>": types.result(U8, STRING),
    "{x: I32, s: String}": product(x=I32, s=STRING),
    "a: unit or b: String": types.SumType(
        (types.Variant("a", types.UNIT), types.Variant("b", STRING))
    ),
}


def values() -> Iterator[list[str]]:
    """Yield the cells of the table of values."""
    _, _, rest = DOCUMENT.partition(HEADER + "\n")
    for line in rest.splitlines()[1:]:
        if not line.startswith("|"):
            return
        yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def test_values() -> None:
    assert len(list(values())) > 20
    for name, data, typed, untyped in values():
        ty = NAMED_TYPES.get(name) or types.Primitive(name)
        codec = NO_TYPES.codec(ty)
        value = codec.decode_exact(bytes.fromhex(data))
        assert codec.encode(value).hex() == data.replace(" ", ""), name
        assert sats_json.to_json(ty, NO_TYPES, value) == sats_json.loads(typed), name
        assert sats_json.to_json(ty, NO_TYPES, value, style="positional") == sats_json.loads(
            untyped
        ), name
        if typed != "null":
            for text in (typed, untyped):
                read = sats_json.from_json(ty, NO_TYPES, sats_json.loads(text))
                assert codec.encode(read) == bytes.fromhex(data), name


def test_types() -> None:
    for data, value in examples("type"):
        ty, end = decode_type(data)
        assert end == len(data)
        assert type_to_json(ty) == value
        assert Reader(value).type() == ty
        assert encode_type(ty) == data


def test_module_descriptions() -> None:
    context = TypeContext(raw_types.RAW_TYPES)
    codec = context.codec(raw_types.RAW_MODULE)
    for data, value in examples("module"):
        found = codec.decode_exact(data)
        assert sats_json.to_json(raw_types.RAW_MODULE, context, found) == value
        assert codec.encode(found) == data
        load_raw_module(data)


# --- citations ----------------------------------------------------------------------------------

#: The end of a line inside a citation, with the mark of the comment that goes on.
BREAK = re.compile(r"\s*\n\s*(?:#:?\s+)?")
NUMBER = r"\d+(?:\.\d+)?"
NUMBERS = rf"({NUMBER}(?:(?:,| and| to|, and) {NUMBER})*)"
#: With the document's name; or without, where it was named before.
CITATION = re.compile(
    rf"(?<![\w-])(?:docs/)?protocol\.md,? (?:sections? )?{NUMBERS}"
    rf"|(?<!\.md )(?<!RFC \d{{4}} )\b[Ss]ections? {NUMBERS}"
)
SOURCES = sorted(
    path
    for folder in ("spacetime_proto", "spacetime_transports", "tests", "benchmarks", "examples")
    for path in (ROOT / folder).rglob("*.py")
)


def sections(text: str) -> set[str]:
    """Return the numbers of a document's headings."""
    return set(re.findall(rf"^#+ ({NUMBER})\.? ", text, re.MULTILINE))


def citations(text: str) -> list[str]:
    """Return the numbers of the sections that a text cites."""
    cited = ("".join(groups) for groups in CITATION.findall(BREAK.sub(" ", text)))
    return [number for numbers in cited for number in re.findall(NUMBER, numbers)]


def test_cited_sections_exist() -> None:
    existing = sections(DOCUMENT)
    cited = {path: citations(path.read_text()) for path in SOURCES if path != Path(__file__)}
    for path, numbers in cited.items():
        for number in numbers:
            assert number in existing, f"{path.relative_to(ROOT)} cites section {number}"
    assert sum(map(len, cited.values())) > 90


def test_own_references_lead_somewhere() -> None:
    assert set(citations(BLOCK.sub("", DOCUMENT))) <= sections(DOCUMENT)


def test_the_regular_expressions_see_what_they_should() -> None:
    text = (
        "docs/protocol.md section 3.6). docs/protocol.md sections 4.2 and 4.3; docs/protocol.md\n"
        "    #: section 1.3, docs/protocol.md 3.2, 7.1) docs/protocol.md sections 10.3 to 10.5\n"
        "    (section 5) docs/other-protocol.md section 99, RFC 6455 section 98, docs/protocol.md\n"
    )
    found = ["3.6", "4.2", "4.3", "1.3", "3.2", "7.1", "10.3", "10.5", "5"]
    assert citations(text) == found
    assert sections("# T\n## 3. A\n### 3.6 B\n") == {"3", "3.6"}
    assert example("00 01  one\n  02  two  more\n= [1]") == (b"\0\1\2", [1])

"""Schema JSON, v9 and v10 and wrapped."""

from __future__ import annotations

from spacetime_proto.errors import SchemaError
from spacetime_proto.schema.load import load_schema, to_v10_json


def check(data: bytes) -> None:
    """A schema that was read can be written and says the same again."""
    try:
        module = load_schema(data.decode("utf-8", "replace"))
    except SchemaError:
        return
    assert load_schema(to_v10_json(module)) == module

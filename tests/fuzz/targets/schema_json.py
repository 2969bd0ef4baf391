"""Schema JSON, v9 and v10 and wrapped."""

from __future__ import annotations

import warnings

from spacetime_proto.errors import SchemaError
from spacetime_proto.schema.load import load_schema, to_v10_json
from spacetime_proto.schema.reader import NewerSchemaWarning


def check(data: bytes) -> None:
    """A schema that was read can be written and says the same again."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NewerSchemaWarning)
            module = load_schema(data.decode("utf-8", "replace"))
    except SchemaError:
        return
    assert load_schema(to_v10_json(module)) == module

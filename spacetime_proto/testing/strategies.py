"""Hypothesis strategies for what goes over the wire, so that programs can be fuzzed with it.

Types and their values, whole modules, the messages of every protocol, and ways to cut and damage
bytes, gathered from `value_strategies`, `module_strategies`, `message_strategies` and
`byte_strategies`:

    from hypothesis import given
    from spacetime_proto.testing import strategies as sts

    @given(sts.typed_values())
    def test_my_mirror(drawn):
        context, ty, value = drawn
        ...

    @given(sts.v2_server_messages(), sts.byte_cuts())
    def test_my_proxy(message, cuts): ...

Values are those that `sats` makes: ints, str, bytes, lists, frozen structs. Extremes are drawn
often. Needs the package hypothesis.
"""

from __future__ import annotations

from .byte_strategies import byte_cuts, damaged, pieces
from .message_strategies import (
    connection_ids,
    durations,
    identities,
    row_lists,
    timestamps,
    u32s,
    v1_client_messages,
    v1_server_messages,
    v2_client_messages,
    v2_server_messages,
)
from .module_strategies import modules
from .value_strategies import (
    HOSTILE_NAMES,
    algebraic_types,
    contexts,
    names,
    primitive_values,
    typed_values,
    values,
)

__all__ = [
    "HOSTILE_NAMES",
    "algebraic_types",
    "byte_cuts",
    "connection_ids",
    "contexts",
    "damaged",
    "durations",
    "identities",
    "modules",
    "names",
    "pieces",
    "primitive_values",
    "row_lists",
    "timestamps",
    "typed_values",
    "u32s",
    "v1_client_messages",
    "v1_server_messages",
    "v2_client_messages",
    "v2_server_messages",
    "values",
]

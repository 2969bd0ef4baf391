from __future__ import annotations

from spacetime_proto.messages import v1
from spacetime_proto.messages.v1_json_types import CLIENT_MESSAGE, SERVER_MESSAGE, context

#: Tags as in docs/protocol.md section 4.4.
CLIENT = (
    "CallReducer", "Subscribe", "OneOffQuery", "SubscribeSingle", "SubscribeMulti", "Unsubscribe",
    "UnsubscribeMulti", "CallProcedure",
)  # fmt: skip
SERVER = (
    "InitialSubscription", "TransactionUpdate", "TransactionUpdateLight", "IdentityToken",
    "OneOffQueryResponse", "SubscribeApplied", "UnsubscribeApplied", "SubscriptionError",
    "SubscribeMultiApplied", "UnsubscribeMultiApplied", "ProcedureResult",
)  # fmt: skip


def test_variants_have_the_tags_of_the_wire() -> None:
    assert tuple(variant.name for variant in CLIENT_MESSAGE.variants) == CLIENT
    assert tuple(variant.name for variant in SERVER_MESSAGE.variants) == SERVER


def test_fields_are_those_of_the_messages() -> None:
    for variant in (*CLIENT_MESSAGE.variants, *SERVER_MESSAGE.variants):
        assert variant.name is not None
        fields = {element.name for element in variant.type.elements}  # type: ignore[union-attr]
        assert fields == set(getattr(v1, variant.name).__struct_fields__), variant.name


def test_the_context_is_made_once() -> None:
    assert context() is context()

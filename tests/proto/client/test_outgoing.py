"""What recorded client messages asked for, told alike whatever the protocol."""

from __future__ import annotations

import pytest

from spacetime_proto.client.dialects.dialect import Dialect
from spacetime_proto.client.dialects.dialect_v1 import V1Bsatn, V1Json
from spacetime_proto.client.dialects.dialect_v2 import V2, V3
from spacetime_proto.client.outgoing import CallSent, QuerySent, SubscribeSent, UnsubscribeSent
from spacetime_proto.limits import Limits
from tests.support.golden import golden_module

BOUND = golden_module("quickstart-chat").bound
REDUCER = BOUND.reducers["set_name"]
PROCEDURE = golden_module("sdk-test-procedure").bound.procedures["will_panic"]


@pytest.mark.parametrize("dialect", [V1Bsatn, V1Json, V2, V3])
def test_what_is_sent_is_what_was_asked_for(dialect: type[Dialect]) -> None:
    made = dialect(BOUND, Limits())
    asked = {
        made.subscribe(1, 2, ["a", "b"]): SubscribeSent(1, 2, ("a", "b")),
        made.unsubscribe(3, 2): UnsubscribeSent(3, 2),
        made.query(4, "SELECT 1"): QuerySent(made.query_key(4), "SELECT 1"),
        made.call(5, "reducer", REDUCER, ["Ada"]): CallSent(5, "reducer", "set_name"),
        made.call(6, "procedure", PROCEDURE, []): CallSent(6, "procedure", "will_panic"),
    }
    if made.has_legacy_set:
        asked[made.subscribe_legacy(7, ["a"])] = SubscribeSent(7, None, ("a",))
    for payload, meaning in asked.items():
        assert list(made.decode_sent(payload)) == [meaning]

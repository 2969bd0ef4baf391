"""The rows of the official suites that a 1.x server can judge, on the live module.

The tests are those of `tests.conformance`. For what the module has not, or has in another shape,
`test_stand_ins` stands in. ``--conformance-json FILE`` writes the results for docs/conformance.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.test_connect_disconnect import test_disconnect  # noqa: F401
from tests.conformance.test_sdk_connections import *  # noqa: F403
from tests.conformance.test_sdk_keys import *  # noqa: F403
from tests.conformance.test_sdk_subscriptions import *  # noqa: F403
from tests.conformance.test_sdk_values import *  # noqa: F403
from tests.live.worlds import LiveWorld

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.live.target import Target

pytestmark = pytest.mark.before("2.0", "there test_conformance has the official modules themselves")

ALIASES = {
    "no_op_succeeds": "no_op",
    "insert_into_indexed_simple_enum": "insert_indexed_simple_enum",
    **{
        f"{verb}{kind}_{name}_struct": f"{verb}{kind}_{name}"
        for verb in ("", "insert_")
        for kind in ("one", "vec", "option")
        for name in ("every_primitive", "every_vec")
    },
}
# Rows of tables or reducers that look different in the live module, and of types that 1.x has not.
del (
    test_delete_uuid,  # noqa: F821
    test_insert_call_uuid_v4,  # noqa: F821
    test_insert_call_uuid_v7,  # noqa: F821
    test_insert_delete_large_table,  # noqa: F821
    test_insert_result_okay,  # noqa: F821
    test_insert_uuid,  # noqa: F821
    test_intra_query_bag_semantics_for_join,  # noqa: F821
    test_rls_subscription,  # noqa: F821
    test_row_deduplication_join_r_and_s,  # noqa: F821
    test_row_deduplication_r_join_s_and_r_joint,  # noqa: F821
    test_sorted_uuids_insert,  # noqa: F821
    test_update_uuid,  # noqa: F821
)


class OldWorld(LiveWorld):
    """The live module, whose names differ a little from the official ones."""

    aliases: Mapping[str, str] = ALIASES


@pytest.fixture
def sdk_test(target: Target, protocol: str) -> OldWorld:
    return OldWorld(target, protocol)


connect_disconnect = sdk_test

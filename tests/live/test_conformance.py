"""The rows of the official suites that a real 2.x server can judge.

The tests are those of `tests.conformance`, in worlds that are the modules of tests/live/module/two:
what the official test modules do, under their names. ``--conformance-json FILE`` writes the results
for docs/conformance.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.test_case_conversion import *  # noqa: F403
from tests.conformance.test_connect_disconnect import *  # noqa: F403
from tests.conformance.test_csharp_regressions import (  # noqa: F401
    test_documented_index_queries,
    test_index_content_after_inserts_and_deletes,
    test_nullable_strings,
    test_reducer_error_text_has_no_stack_trace,
    test_remotequery_on_tables_and_views,
    test_row_equality,
    test_semijoin_subscriptions,
    test_views_returning_null_vec_ienumerable,
    test_where_subscriptions,
)
from tests.conformance.test_event_table import *  # noqa: F403
from tests.conformance.test_procedures import *  # noqa: F403
from tests.conformance.test_sdk_connections import *  # noqa: F403
from tests.conformance.test_sdk_keys import *  # noqa: F403
from tests.conformance.test_sdk_subscriptions import *  # noqa: F403
from tests.conformance.test_sdk_values import *  # noqa: F403
from tests.conformance.test_typescript_connection import (  # noqa: F401
    test_inactive_before_onconnecterror,
    test_inactive_before_ondisconnect,
    test_isdisconnectrequested,
)
from tests.conformance.test_typescript_manager import (  # noqa: F401
    test_manual_disconnect_does_not_reconnect,
    test_rebuild_with_a_new_builder,
    test_reconnect_after_disconnect,
    test_state_snapshots,
)
from tests.conformance.test_uncharted import test_not, test_unknown_procedure_name  # noqa: F401
from tests.conformance.test_unreal import *  # noqa: F403
from tests.conformance.test_views import *  # noqa: F403
from tests.live.worlds import OfficialWorld, RelayedWorld, official_target

if TYPE_CHECKING:
    from tests.live.target import Target

pytestmark = pytest.mark.since("2.0", "the official modules have what 1.x has not")


@pytest.fixture
def sdk_test(whole_target: Target, protocol: str) -> OfficialWorld:
    target = official_target(whole_target.url, whole_target.token, "sdk")
    target.call("clear_all")
    return OfficialWorld(target, protocol)


@pytest.fixture
def small(whole_target: Target, protocol: str) -> OfficialWorld:
    target = official_target(whole_target.url, whole_target.token, "small")
    target.call("clear_all")
    return OfficialWorld(target, protocol)


@pytest.fixture
def connect_disconnect(small: OfficialWorld, whole_target: Target) -> RelayedWorld:
    target = official_target(whole_target.url, whole_target.token, "small")
    return RelayedWorld(target, small.protocol)


# One module has them all.
case_conversion = event_table = procedure = procedure_concurrency = small
procedural_view_pk = view = view_pk = small

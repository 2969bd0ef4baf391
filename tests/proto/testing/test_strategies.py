from __future__ import annotations

from spacetime_proto.testing import (
    byte_strategies,
    message_strategies,
    module_strategies,
    strategies,
    value_strategies,
)


def test_everything_is_gathered_in_one_place() -> None:
    parts = (byte_strategies, message_strategies, module_strategies, value_strategies)
    gathered = {name: getattr(part, name) for part in parts for name in part.__all__}
    assert set(strategies.__all__) == set(gathered)
    for name, strategy in gathered.items():
        assert getattr(strategies, name) is strategy

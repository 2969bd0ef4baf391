"""Views with parameters, from the bindings through the embedded server into the cache."""

from __future__ import annotations

from spacetime_proto.bindings import dynamic_module
from spacetime_transports import blocking
from spacetime_transports.server import serve_in_thread
from tests.proto.server.view_calls_module import make_module


def test_rows_of_several_calls_are_counted_in_one_table() -> None:
    module = make_module()
    bindings = dynamic_module(module.build().definition)
    near = bindings.tables.players_at_level
    with serve_in_thread(module, database="game") as server:
        for protocol in ("v3.bsatn", "v1.json"):
            with blocking.connect(
                server.url, "game", bindings, protocols=[f"{protocol}.spacetimedb"]
            ) as client:
                number = 1 if protocol == "v3.bsatn" else 2
                low = client.subscribe(near(1, "x"), near(5, "x"))
                client.call(bindings.reducers.addPlayer(number, 9, "x"))
                players = client.db.players_at_level
                assert players.count() == number
                assert len(client.query(near(5, "x"))) == number
                high = client.subscribe(near(9, "x"))
                low.unsubscribe()
                assert players.count() == number
                high.unsubscribe()
                assert players.count() == 0
                everything = client.subscribe_to_all_tables()
                assert "players_at_level" in everything.left_out
                assert players.count() == 0

"""`sql.ast`: statements are values."""

from __future__ import annotations

from spacetime_proto.server.sql import ast


def test_nodes_compare_and_hash_by_content() -> None:
    one, two = (
        ast.Compare("=", ast.ColumnName("t", "a"), ast.SqlConstant("number", "1")) for _ in "ab"
    )
    assert one == two
    assert hash(ast.And((one, two))) == hash(ast.And((two, one)))
    assert ast.And((one,)) != ast.Or((one,))

"""`declarations`: what the decorators write down."""

from __future__ import annotations

from spacetime_proto.server.module.declarations import FunctionDecl


def test_a_function_is_public_unless_said_otherwise() -> None:
    decl = FunctionDecl(kind="reducer", call=print, name="f")
    assert (decl.is_private, decl.lifecycle, decl.is_anonymous, decl.primary_key) == (
        False,
        None,
        False,
        None,
    )

"""The family of errors: its tree, its texts, and what never stands in one."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

from spacetime_proto import errors
from spacetime_proto.errors import (
    AuthError,
    CallTimeout,
    ConnectError,
    DatabaseNotFound,
    DecodeError,
    Disconnected,
    EncodeError,
    EnvironmentConflict,
    HandshakeError,
    HttpError,
    InternalError,
    LimitExceeded,
    LocalProtocolError,
    MissingEnvironment,
    ProtocolError,
    QueryError,
    ReducerError,
    SchemaMismatch,
    SpacetimeError,
    SubscriptionError,
    redact,
)

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


def test_all_are_of_one_family() -> None:
    found = [cls for _, cls in inspect.getmembers(errors, inspect.isclass)]
    for cls in (cls for cls in found if cls.__module__ == errors.__name__):
        assert issubclass(cls, SpacetimeError)
        assert cls.__name__ in errors.__all__


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (HandshakeError, ConnectError),
        (AuthError, HandshakeError),
        (DatabaseNotFound, HandshakeError),
        (DecodeError, ProtocolError),
        (LimitExceeded, ProtocolError),
        (EncodeError, LocalProtocolError),
        (CallTimeout, TimeoutError),
        (MissingEnvironment, HttpError),
        (EnvironmentConflict, HttpError),
    ],
)
def test_whoever_catches_the_wide_one_catches_the_narrow_one(
    narrow: type[Exception], wide: type[Exception]
) -> None:
    assert issubclass(narrow, wide)


def test_tokens_are_cut_out_of_texts() -> None:
    assert redact(f"a {TOKEN} b {TOKEN}") == "a <token> b <token>"
    assert redact("eyJ is how one begins") == "eyJ is how one begins"
    held = [
        SpacetimeError(f"got {TOKEN}"),
        HandshakeError("refused", status=401, body=f"bad token {TOKEN}"),
        HttpError("refused", status=401, body=TOKEN),
        Disconnected("over", code=1008, reason=f"token {TOKEN} expired"),
    ]
    for error in held:
        assert "eyJ" not in f"{error} {error!r} {vars(error)}"


def test_the_message_is_the_sentence() -> None:
    assert SpacetimeError("cannot").message == "cannot"


def test_an_answer_has_its_status_and_body() -> None:
    error = AuthError("refused", status=401, body="Invalid token")
    assert (error.status, error.body) == (401, "Invalid token")
    assert HandshakeError("no answer").status is None
    http = HttpError("530", status=530, body="no such name")
    assert (http.status, http.body) == (530, "no such name")


def test_a_lost_connection_says_whether_a_call_may_have_run() -> None:
    error = Disconnected("lost", code=1006, outcome_unknown=True)
    assert (error.code, error.reason, error.outcome_unknown) == (1006, "", True)
    assert not Disconnected("closed").outcome_unknown


def test_damage_is_placed_from_the_inside_out() -> None:
    error = DecodeError("too short", what="column id", offset=3)
    error.__cause__ = ValueError("cause")
    outer = error.within("row of table user")
    assert str(outer) == "too short in column id of row of table user at byte 3"
    assert outer.__cause__ is error.__cause__
    assert (outer.detail, outer.offset) == ("too short", 3)
    assert str(DecodeError("too short").within("a message")) == "too short in a message"


def test_a_value_that_does_not_fit_is_placed_likewise() -> None:
    error = EncodeError("not an int", what="field x")
    error.__cause__ = TypeError("cause")
    outer = error.within("argument p of set_point")
    assert str(outer) == "not an int in field x of argument p of set_point"
    assert outer.__cause__ is error.__cause__
    assert str(EncodeError("not an int").within("argument a")) == "not an int in argument a"
    assert str(EncodeError("not an int")) == "not an int"


def test_a_limit_has_its_name_in_the_text() -> None:
    error = LimitExceeded("a message of 70 bytes", limit="message_size", maximum=64)
    assert str(error) == "a message of 70 bytes (limit message_size = 64)"
    assert (error.limit, error.maximum) == ("message_size", 64)


def test_queries_and_functions_are_named() -> None:
    assert QueryError("no such table", query="SELECT 1").query == "SELECT 1"
    assert SubscriptionError("refused", queries=["a", "b"]).queries == ("a", "b")
    assert InternalError("panicked", name="f").name == "f"
    assert SchemaMismatch("differs", differences=iter(["a"])).differences == ("a",)


def test_the_value_of_a_reducer_error_is_its_text_unless_there_is_another() -> None:
    assert ReducerError("no name").value == "no name"
    error = ReducerError("failed", name="set_name", value={"code": 3})
    assert (error.name, error.value) == ("set_name", {"code": 3})


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
@pytest.mark.parametrize(
    "error",
    [
        SpacetimeError("x"),
        AuthError("x", status=401, body="no"),
        HttpError("x", status=500, body="oops"),
        MissingEnvironment("x", keys=["A"], status=400),
        Disconnected("x", code=1000, reason="bye", outcome_unknown=True),
        DecodeError("x", what="row", offset=3),
        EncodeError("x", what="row"),
        LimitExceeded("x", limit="nesting_depth", maximum=3, what="row"),
        QueryError("x", query="SELECT"),
        SubscriptionError("x", queries=["SELECT"]),
        ReducerError("x", name="move", value=7),
        InternalError("x", name="move"),
        CallTimeout("x"),
        SchemaMismatch("x", differences=["a"]),
    ],
)
def test_errors_are_pickled_and_copied(error: SpacetimeError, again: Any) -> None:
    """So they come back from a pool of processes."""
    found = again(error)
    assert type(found) is type(error)
    assert (found.args, vars(found), str(found)) == (error.args, vars(error), str(error))


def test_what_caused_a_loss_is_in_its_text() -> None:
    class Odd(ValueError):
        code = "x"
        reason = None

    error = Disconnected.because("x was not sent", Odd("mine"), is_final=False)
    assert str(error) == "x was not sent: Odd: mine"
    assert (error.code, error.reason, error.is_final) == (None, "", False)
    assert str(Disconnected.because("x", OSError())) == "x: OSError"
    cause = Disconnected("it went", code=1011, reason="no")
    error = Disconnected.because("x", cause, outcome_unknown=True)
    assert (str(error), error.code, error.reason) == ("x: it went", 1011, "no")
    assert error.__cause__ is cause and error.outcome_unknown and error.is_final


def test_a_timeout_says_how_long_unless_there_was_no_time() -> None:
    assert str(CallTimeout.after("x was not answered", 2.5)) == "x was not answered within 2.5 s"
    assert str(CallTimeout.after("x was not answered", 0)) == (
        "x was not answered yet, and timeout is 0"
    )

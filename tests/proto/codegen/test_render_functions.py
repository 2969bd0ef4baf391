"""The text of reducers and procedures."""

from __future__ import annotations

from spacetime_proto.client.pending_call import Call
from spacetime_proto.codegen.package import generate
from spacetime_proto.sats.algebraic import UNIT, ArrayType, Primitive, RefType, option
from spacetime_proto.schema.model import ProcedureDef, ReducerDef
from tests.support.modules import make_module, product

U8, STRING = Primitive("U8"), Primitive("String")


def files(reducers=(), procedures=(), types=None):
    module = make_module(types or {}, reducers=reducers, procedures=procedures)
    return generate(module, source="test", version="1")


def test_reducers_make_calls():
    made = files([
        ReducerDef("set_name", "SetName", product(name=STRING, **{"from": option(U8)})),
        ReducerDef("stop", "stop", UNIT),
        ReducerDef("one", "one", product(x=U8)),
    ])  # fmt: skip
    assert made["reducers.py"].endswith(
        "from spacetime_proto.bindings import Call\n"
        "\n"
        "\n"
        "def SetName(name: str, from_: int | None) -> Call[None]:\n"
        '    """Call reducer ``set_name``.\n'
        "\n"
        "    Args:\n"
        "        name: ``String``\n"
        "        from_: ``Option<U8>``, 'from' in the module\n"
        '    """\n'
        '    return Call("reducer", "set_name", (name, from_))\n'
        "\n"
        "\n"
        "def stop() -> Call[None]:\n"
        '    """Call reducer ``stop``."""\n'
        '    return Call("reducer", "stop")\n'
        "\n"
        "\n"
        "def one(x: int) -> Call[None]:\n"
        '    """Call reducer ``one``.\n'
        "\n"
        "    Args:\n"
        "        x: ``U8``\n"
        '    """\n'
        '    return Call("reducer", "one", (x,))\n'
    )


def test_procedures_return_their_type():
    made = files(
        procedures=[
            ProcedureDef("a", "a", UNIT, ArrayType(RefType(0))),
            ProcedureDef("b", "b", UNIT, UNIT),
        ],
        types={"User": product(x=U8)},
    )
    assert "def a() -> Call[list[User]]:\n" in made["procedures.py"]
    assert "def b() -> Call[None]:\n" in made["procedures.py"]
    assert '    return Call("procedure", "a")\n' in made["procedures.py"]
    assert "if TYPE_CHECKING:\n    from .user import User\n" in made["procedures.py"]


def test_the_file_of_a_reducer_for_the_old_api():
    text = files([ReducerDef("send", "send", product(text=STRING))])["send_reducer.py"]
    assert text.endswith(
        "from spacetime_proto.bindings import ReducerFunction, Then\n"
        "\n"
        "from . import reducers\n"
        "from ._legacy import LEGACY\n"
        "\n"
        'reducer_name = "send"\n'
        "\n"
        "\n"
        "def send(text: str, *, then: Then | None = None) -> None:\n"
        '    """Let the current legacy client call the reducer.\n'
        "\n"
        "    Args:\n"
        "        text: ``String``\n"
        "        then: ``then(reducer_event)`` is called with the outcome\n"
        '    """\n'
        "    LEGACY.call_then(then, reducers.send, text)\n"
        "\n"
        "\n"
        "def register_on_send(callback: ReducerFunction[str]) -> None:\n"
        '    """Call `callback` after each call of ``send`` that this client sees.\n'
        "\n"
        "    It gets `(caller_identity, caller_connection_id, status, message, ...)` and the\n"
        "    arguments; or, if it takes one parameter less, the same without the connection id.\n"
        '    """\n'
        "    LEGACY.register_reducer(reducer_name, 1, callback)\n"
        "\n"
        "\n"
        "def unregister_on_send(callback: ReducerFunction[str]) -> None:\n"
        '    """Take back `register_on_send`; raises ValueError if there was none."""\n'
        "    LEGACY.unregister_reducer(reducer_name, 1, callback)\n"
    )


def test_names_that_clash_with_what_the_file_needs(import_package):
    made = files([
        ReducerDef("reducer_name", "reducer_name", product(callback=U8, LEGACY=U8)),
        ReducerDef("Call", "Call", product(Call=U8, str=STRING)),
        ReducerDef("reducers", "reducers", UNIT),
    ])  # fmt: skip
    assert 'reducer_name_ = "reducer_name"\n' in made["reducer_name_reducer.py"]
    package = import_package(made)
    assert package.reducers.Call(1, str="x") == Call("reducer", "Call", (1, "x"))
    assert package.reducers.reducers() == Call("reducer", "reducers")

    class Host:
        calls: list[object] = []  # noqa: RUF012

        def legacy_call(self, call, then=None):
            self.calls.append(call)

    host = Host()
    package.MODULE.legacy.attach(host)
    from importlib import import_module

    for name, args in (("reducer_name", (1, 2)), ("Call", (3, "x")), ("reducers", ())):
        loaded = import_module(f"{package.__name__}.{name.lower()}_reducer")
        getattr(loaded, name)(*args)
    assert host.calls == [
        Call("reducer", "reducer_name", (1, 2)),
        Call("reducer", "Call", (3, "x")),
        Call("reducer", "reducers"),
    ]


def test_many_parameters_stand_on_lines_of_their_own():
    fields = {f"parameter_{number}": STRING for number in range(12)}
    made = files([ReducerDef("long", "long", product(**fields))])
    assert "def long(\n    parameter_0: str,\n" in made["reducers.py"]
    assert "        (\n            parameter_0,\n" in made["reducers.py"]
    assert (
        "    LEGACY.call_then(\n        then,\n        reducers.long,\n        parameter_0,\n"
        in made["long_reducer.py"]
    )


def test_a_parameter_keeps_its_name_before_what_the_old_api_adds():
    made = files([ReducerDef("go", "go", product(then=STRING))])["go_reducer.py"]
    assert "def go(then: str, *, then_: Then | None = None) -> None:\n" in made
    assert "    LEGACY.call_then(then_, reducers.go, then)\n" in made

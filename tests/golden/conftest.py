"""The recorded sessions, read once, and the schema that each belongs to."""

from __future__ import annotations

from functools import cache

import pytest

from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.schema.bound import BoundModule
from spacetime_proto.schema.load import load_schema
from spacetime_proto.testing import Session
from tests.support.golden import ALL_SESSIONS, SESSION_FILES, module_of, schema_text

WIRE = tuple(ALL_SESSIONS)


class Golden:
    """Recorded sessions by file name, with what reads their rows and arguments."""

    names = WIRE

    @cache  # noqa: B019  # one instance per test session
    def text(self, name: str) -> str:
        """The file as it is."""
        return SESSION_FILES[name].read_text("utf-8")

    @cache  # noqa: B019
    def session(self, name: str) -> Session:
        """The recording."""
        return Session.from_text(self.text(name))

    def module(self, name: str) -> BoundModule:
        """The module that the recording talks to."""
        return self._schema(module_of(name))

    @cache  # noqa: B019
    def _schema(self, name: str) -> BoundModule:
        return BoundModule(load_schema(schema_text(name)))

    def codec(self, name: str) -> JsonCodec:
        """What reads the rows of v1.json."""
        return JsonCodec.for_module(self.module(name))


@pytest.fixture(scope="session")
def golden() -> Golden:
    """The recordings."""
    return Golden()


#: Which recordings a test runs on, by the name of its argument.
_CHOICES = {
    "wire_name": WIRE,
    "bsatn_name": tuple(name for name in WIRE if ".bsatn." in name),
    "json_name": tuple(name for name in WIRE if ".json." in name),
    "good_name": tuple(name for name in WIRE if not name.startswith("bad_")),
    "bad_name": tuple(name for name in WIRE if name.startswith("bad_")),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests on every recording of the kind that their argument names."""
    for argument, names in _CHOICES.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, names)

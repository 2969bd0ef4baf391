"""What to say of an attribute that is not there: names that are near, and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_MAX_NAME: Final = 60
_MAX_KNOWN: Final = 20


class UnknownAttribute(AttributeError):
    """An attribute that is not there. Its text is made when somebody reads it.

    So `hasattr`, `getattr` with a default and the probes of notebooks and debuggers, which throw the
    error away, do not pay for the search for near names.
    """

    def __init__(self, name: str, explain: Callable[[], str]) -> None:
        super().__init__(name)
        self._explain = explain

    def __str__(self) -> str:
        return self._explain()

    def __reduce__(self) -> tuple[type[AttributeError], tuple[str]]:
        return AttributeError, (str(self),)


def unknown_attribute(
    name: str,
    owner: Callable[[], str],
    known: Callable[[], Iterable[str]],
    *,
    similar: Callable[[], Iterable[str]] = tuple,
    kind: str = "attribute",
    advice: Mapping[str, str] | Callable[[str], str | None] | None = None,
) -> AttributeError:
    """Return the error for an attribute that is not there.

    Args:
        name: the attribute.
        owner: says whose it would be, such as ``table 'user'``.
        known: returns the attributes that there are.
        similar: returns further names that may have been meant, such as those of columns.
        kind: what the attributes are.
        advice: by name as `plain_name` writes it, or as a function of the name: what to write
            instead, for names that people try because other clients or other objects have them.
    """
    if name.startswith("_"):
        return AttributeError(name)

    def explain() -> str:
        names = sorted({each for each in known() if not each.startswith("_")})
        text = f"{owner()} has no {kind} {shown(name)}"
        hint = advice(name) if callable(advice) else (advice or {}).get(plain_name(name))
        if hint:
            return f"{text}: {hint}"
        near = near_names(name, [*names, *similar()])
        if near:
            return f"{text}; did you mean {' or '.join(map(repr, near))}?"
        return f"{text}; there are: {listed(names)}"

    return UnknownAttribute(name, explain)


class Elsewhere:
    """A name that a class does not have, but that users of other clients try: says what to write.

    For classes whose attributes are read on hot paths: with `__getattr__`, every attribute that is there
    costs more (some 30 ns on CPython 3.11). For other names that are not there, Python itself shows
    near ones in the traceback.
    """

    def __init__(self, owner: str, name: str, advice: str) -> None:
        self._text = f"{owner} has no attribute {name!r}: {advice}"

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        raise AttributeError(self._text)


def add_advice(cls: type, owner: str, advice: Mapping[str, str]) -> None:
    """Let the names that a class does not have say what to write instead.

    Args:
        cls: the class. `dir` and `hasattr` go on saying that the names are not there.
        owner: says whose they would be, such as ``a client``.
        advice: by name, as users of other clients write it.
    """
    for name, text in advice.items():
        setattr(cls, name, Elsewhere(owner, name, text))

    def names(self: object) -> list[str]:
        return [each for each in object.__dir__(self) if each not in advice]

    cls.__dir__ = names  # type: ignore[assignment]


def plain_name(name: str) -> str:
    """Return a name in lower case without underscores: ``onInsert`` and ``on_insert`` are one."""
    return name.replace("_", "").lower()


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three names that `name` may have been meant as, the best first."""
    import difflib

    names = list(known)
    name = name[:_MAX_NAME]
    same = [each for each in names if plain_name(each) == plain_name(name)]
    return same[:3] or difflib.get_close_matches(name, names, 3)


def shown(name: str) -> str:
    """Return a name in quotes, escaped and shortened."""
    return repr(name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}...")


def listed(names: Iterable[str]) -> str:
    """Return names as one line, the first of them if there are many."""
    every = [name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}..." for name in names]
    if len(every) <= _MAX_KNOWN:
        return ", ".join(every) or "none"
    return f"{', '.join(every[:_MAX_KNOWN])} and {len(every) - _MAX_KNOWN} more"

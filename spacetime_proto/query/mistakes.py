"""What Python writes into conditions by mistake, and what to write instead.

``and``, ``or``, ``not``, ``in`` and chains like ``1 < x < 5`` cannot be overloaded: Python asks their
operands for a truth value. ``&`` and ``|`` can, but bind more tightly than comparisons.
"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, NoReturn

from ..errors import QueryError


class TruthError(QueryError, TypeError):
    """A condition was used where Python wants a bool, or operators bind otherwise than was meant."""


class ConditionOnly:
    """Base of columns and conditions: refuses to be a bool, and operands that are no conditions."""

    if TYPE_CHECKING:

        @property
        def _example(self) -> str:
            """The attribute of a column in it, for the texts of errors."""
            raise NotImplementedError

    def __bool__(self) -> bool:
        self._refuse_truth()

    def _refuse_truth(self) -> NoReturn:
        column = f"row.{self._example}"
        raise TruthError(
            f"{_shown(self)} has no truth value: in a condition write & | ~ for and, or, not, with brackets"
            f" around each comparison, as in ({column} == a) | ({column} == b);"
            f" {column}.between(low, high) for a chain of comparisons; {column}.in_(values) for in"
        )

    def _refuse_operand(self, other: object) -> NoReturn:
        column = f"row.{self._example}"
        raise TruthError(
            f"& and | take two conditions, not {_shown(self)} and {_shown(other)}: they bind more"
            f" tightly than comparisons, so write brackets around each of those, as in"
            f" ({column} == a) & ({column} != b)"
        )

    if not TYPE_CHECKING:  # pragma: no branch

        def __and__(self, other: object) -> NoReturn:
            self._refuse_operand(other)

        __or__ = __rand__ = __ror__ = __and__

        def __invert__(self) -> NoReturn:
            self._refuse_truth()

        __iter__ = __invert__

        def __contains__(self, value: object) -> NoReturn:
            self._refuse_truth()


def _shown(value: object) -> str:
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    return short.repr(value)

"""Dialling in a thread: what came of it is closed if nobody wants it any more."""

from __future__ import annotations

import threading

from spacetime_transports.blocking.dial import Errand


class Closable:
    is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_given_up_before_and_after_it_was_done() -> None:
    made = Closable()
    errand = Errand(lambda: made, lambda: None)
    errand.run()
    assert errand.is_done and not made.is_closed
    errand.abandon()
    assert made.is_closed
    late = Closable()
    errand = Errand(lambda: late, lambda: None)
    errand.abandon()
    errand.run()
    assert late.is_closed


def test_in_a_thread_of_its_own() -> None:
    done = threading.Event()
    here = threading.get_ident()
    errand = Errand(threading.get_ident, done.set)
    errand.start()
    assert done.wait(10)
    assert errand.value != here
    failed = ZeroDivisionError()

    def fail() -> None:
        raise failed

    errand = Errand(fail, done.set)
    errand.run()
    assert errand.error is failed

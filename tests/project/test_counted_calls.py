"""The count of calls that tests of bounds rest on."""

from __future__ import annotations

import ctypes
import threading

import pytest

from support.counted_calls import TooManyCallsError, within


def three_calls() -> None:
    for _ in range(3):
        (lambda: None)()


def test_work_ends_when_it_calls_more_than_its_limit() -> None:
    assert within(4, three_calls) == 4
    with pytest.raises(TooManyCallsError):
        within(3, three_calls)


def test_calls_are_counted_while_an_exception_waits_for_a_thread_that_sleeps() -> None:
    sleeps, wakes, caught = threading.Event(), threading.Event(), threading.Event()

    def sleep() -> None:
        try:
            sleeps.set()
            wakes.wait()
        except KeyError:
            caught.set()

    thread = threading.Thread(target=sleep)
    thread.start()
    sleeps.wait()
    ident = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(KeyError))
    assert within(4, three_calls) == 4
    wakes.set()
    thread.join()
    assert caught.is_set()

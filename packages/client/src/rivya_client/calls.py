"""One method for four kinds of call: asynchronous or synchronous, the answer alone or the response.

A resource is written once, asynchronously. `api_call` makes each of its methods fit the client that
the resource belongs to, and type checkers see the exact signature of each form.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import functools
import os
import threading
import types
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Self, TypeVar, overload

from rivya_client.errors import UsageError
from rivya_client.job_durations import JobDurations
from rivya_client.transport import ResponseHead, Transport

# How the methods of a resource answer, for type checkers: with a coroutine or not, and with the answer
# alone or in a `RawResponse`.
Async = Literal["async"]
Blocking = Literal["blocking"]
RawAsync = Literal["raw async"]
RawBlocking = Literal["raw blocking"]

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=str)


@dataclass(frozen=True)
class RawResponse(ResponseHead, Generic[T]):
    """An answer with the status and the headers of its response.

    Attributes:
        value: What the call gives without `with_raw_response`.
    """

    value: T


@dataclass(frozen=True)
class CallContext:
    """What the resources of one client share."""

    transport: Transport
    poll_seconds: float  # first pause between two polls of a job
    durations: JobDurations = field(default_factory=JobDurations)  # of the jobs that have ended
    thread: EventLoopThread | None = None  # runs the calls of a synchronous client
    raw: bool = False  # calls give a `RawResponse`


class Resource(Generic[M]):
    """A group of calls.

    Every call raises `APIStatusError` if the service refuses, and `APIConnectionError` if no
    readable answer arrives; the same paid call under the same key is safe then. A call that names
    an object raises `NotFoundError` if there is none, or it is another account's. A docstring names
    further errors, and the conditions of special ones. For `options` see `RequestOptions`.
    """

    def __init__(self, context: CallContext) -> None:
        self._context = context

    @property
    def _transport(self) -> Transport:
        return self._context.transport

    def _change(self, **changes: Any) -> Self:
        """The same calls in another context, on the same connections."""
        changed = copy.copy(self)
        changed._context = dataclasses.replace(self._context, **changes)
        return changed


class api_call(Generic[P, T]):  # a decorator
    """A method of a resource; its function always gets an asynchronous resource as `self`."""

    def __init__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(
        self, instance: Resource[Async], owner: Any
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, instance: Resource[Blocking], owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, instance: Resource[RawAsync], owner: Any
    ) -> Callable[P, Coroutine[Any, Any, RawResponse[T]]]: ...
    @overload
    def __get__(
        self, instance: Resource[RawBlocking], owner: Any
    ) -> Callable[P, RawResponse[T]]: ...
    def __get__(self, instance: Resource[Any] | None, owner: Any) -> Any:
        if instance is None:
            return self
        context, function = instance._context, self._function
        if not (context.thread or context.raw):
            return types.MethodType(function, instance)

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T | RawResponse[T]:
            heads: list[ResponseHead] = []
            transport = context.transport.recording(heads.append)
            plain = instance._change(transport=transport, thread=None, raw=False)
            value = await function(plain, *args, **kwargs)
            return RawResponse(**vars(heads[-1]), value=value) if context.raw else value

        if (thread := context.thread) is None:
            return call

        @functools.wraps(function)
        def blocking(*args: P.args, **kwargs: P.kwargs) -> T | RawResponse[T]:
            return thread.run(call(*args, **kwargs))

        return blocking


class EventLoopThread:
    """An event loop in a thread of its own, for any number of threads that call the client.

    Ends with `close`, or when no object refers to it. The calling thread may have an event loop of its
    own, as in a notebook.
    """

    def __init__(self) -> None:
        runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = runner.get_loop()
        self._thread = threading.Thread(
            target=_serve, args=(runner,), name="rivya-client", daemon=True
        )
        self._process = os.getpid()
        self._thread.start()
        self.close = weakref.finalize(self, _stop, self._loop, self._thread)
        """Ends the loop and the thread; further calls do nothing."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Waits for the result. An interrupted wait (Ctrl-C) cancels the coroutine.

        Raises:
            UsageError: The client is closed, was made before a fork, or calls itself from one of
                its callbacks. Without the check the call would wait forever.
        """
        problem = None
        if not self.close.alive:
            problem = "is closed"
        elif self._process != os.getpid():
            problem = "was made in another process; make one after the fork"
        elif threading.current_thread() is self._thread:
            problem = "cannot be called from its own callback"
        if problem:
            coroutine.close()
            raise UsageError(f"SyncRivyaClient: {problem}")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


def _serve(runner: asyncio.Runner) -> None:
    with runner:  # at its end it cancels the tasks that are left
        runner.get_loop().run_forever()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if thread.is_alive() and not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)
        # The garbage collector may run this in the thread itself. A file that does not answer must
        # not keep the process from ending.
        if thread is not threading.current_thread():
            thread.join(timeout=5)

"""An event loop in a thread of its own: how synchronous code calls the asynchronous client."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

from rivya_flows.errors import UsageError

T = TypeVar("T")


class EventLoopThread:
    """Runs coroutines for any number of threads; ends with `close`, or when nobody refers to it.

    The calling thread may have an event loop of its own, as in a notebook.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_serve, args=(self._loop,), name="rivya-flows-client", daemon=True
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


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(_cancel_tasks())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


async def _cancel_tasks() -> None:
    pending = asyncio.all_tasks() - {asyncio.current_task()}
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if thread.is_alive() and not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)
        # The garbage collector may run this in the thread itself. A file that does not answer must
        # not keep the process from ending.
        if thread is not threading.current_thread():
            thread.join(timeout=5)

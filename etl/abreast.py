"""Steps of an import side by side in threads: numpy, Arrow, GEOS and the database driver all let go of Python's lock."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T], depth: int = 1) -> Generator[T, None, None]:
    """The same items, made by a thread of their own while the ones before are being used.

    An error of the maker is raised here, in its place; when the taker stops early, so does the maker.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: T | None, error: BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put((item, error), timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            while (item := next(items, None)) is not None:
                if not put(item, None):
                    break
                del item  # a batch is large: none is kept here while the next one is made
            put(None, None)
        except BaseException as error:
            put(None, error)
        finally:
            if hasattr(items, "close"):
                items.close()

    maker = threading.Thread(target=make, name="ahead", daemon=True)
    maker.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is None:
                return
            handed = [item]
            del item
            yield handed.pop()  # the taker alone holds it, and lets it go when it has done with it
    finally:
        stopped.set()
        maker.join()


@contextmanager
def meanwhile(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Does ``work`` in a thread while the block runs; call what is given for its result, or for the error it met.

    The block does not end before the work has.
    """
    with ThreadPoolExecutor(1, "meanwhile") as aside:
        future = aside.submit(work)
        yield future.result


__all__ = ["ahead", "meanwhile"]

"""Several downloads at once: one that fails leaves the others alone, and an interrupt waits for none of them."""

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from siamrcr.errors import DiskError as DiskError
from siamrcr.errors import InputError

T = TypeVar("T")


def each(items: Iterable[T], work: Callable[[T], None], jobs: int) -> None:
    """Call `work` for every item in `jobs` threads; items are drawn one at a time, when a thread is free.

    Raises the first InputError, when all other items are done, and says how many more failed; a DiskError and any other
    exception at once.
    """
    iterator, lock = iter(items), threading.Lock()
    failures: list[InputError] = []
    fatal: list[BaseException] = []

    def loop() -> None:
        try:
            while not fatal:
                with lock:
                    item = next(iterator)
                try:
                    work(item)
                except DiskError:
                    raise
                except InputError as error:
                    failures.append(error)
        except StopIteration:
            pass
        except BaseException as error:
            fatal.append(error)

    # Daemons: after an interrupt nobody waits for a server that is silent. What they wrote is gone on with later.
    threads = [threading.Thread(target=loop, daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    while not fatal and any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(0.05)
    if fatal:
        raise fatal[0]
    if failures:
        more = f" (and {len(failures) - 1} more files failed)" if len(failures) > 1 else ""
        raise InputError(f"{failures[0]}{more}")

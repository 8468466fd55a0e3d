"""Drives protocols: one run a thread, each with its own tracker, or many runs in lockstep by one batch."""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any
from typing import Protocol as Interface

import numpy as np
from numpy.typing import ArrayLike

from siamrcr.crops import Image
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import TrackerError
from siamrcr.geometry import Array
from siamrcr.protocols import Answer, Asking, Init, Tracker
from siamrcr.results import Result

# Frames that wait, decoded, for a tracker: enough to bridge a slow read, few enough for memory.
AHEAD = 8
# And of each of many lanes.
FEWEST_AHEAD = 2


@dataclass(frozen=True, eq=False)
class Job:
    """A repetition, from 1, of a sequence by a protocol."""

    sequence: Sequence
    repetition: int
    protocol: Callable[[Sequence], Asking]


Outcomes = Generator[tuple[Job, Result | TrackerError], None, None]


class Counter(Interface):
    """Is told of finished frames."""

    def advance(self, amount: int = 1) -> None:
        """Add finished frames."""


class Batched(Interface):
    """Follows a target in each of its lanes, all in one step."""

    @property
    def lanes(self) -> int:
        """How many."""

    def frame(self, image: Image) -> Any:
        """An image as `init` and `update` take it; called by the threads that decode."""

    def init(self, lane: int, frame: Any, box: ArrayLike) -> None:
        """Start a lane on a box (4,)."""

    def update(self, frames: dict[int, Any]) -> tuple[Array, Array]:
        """Boxes (L, 4) and confidences (L,), right for the lanes that have a frame."""


def threads(
    jobs: list[Job],
    make: Callable[[str, int], Tracker],
    lanes: int,
    bar: Counter,
    start: Callable[[], None],
    close: Callable[[], None],
) -> Outcomes:
    """Run jobs in `lanes` threads, and give each with its result, or with why the tracker failed, as it ends.

    Args:
        jobs: what to run; first come, first served.
        make: a tracker for a sequence's name and a repetition.
        lanes: how many run at once. Times are shared among those that do.
        bar: counts frames.
        start: called in each thread before its first job.
        close: called at the end, whatever the trackers are at.

    Raises:
        InputError: a frame cannot be read, or a tracker cannot be used at all; what had ended by then was given.
    """
    shared, ended = _Shared(bar), SimpleQueue[tuple[Job, Result | BaseException]]()

    def follow(job: Job) -> None:
        try:
            tracker = make(job.sequence.name, job.repetition)
            with shared.lane():
                outcome: Result | BaseException = drive(
                    job.protocol(job.sequence), tracker, job.sequence, shared, _ahead(lanes), shared.busy
                )
        except BaseException as error:  # whatever it is, the thread that waits must hear of it
            outcome = error
        ended.put((job, outcome))

    pool = ThreadPoolExecutor(lanes, thread_name_prefix="lane", initializer=start)
    try:
        for job in jobs:
            pool.submit(follow, job)
        for _ in jobs:
            job, outcome = ended.get()
            if not isinstance(outcome, Result | TrackerError):
                raise outcome
            yield job, outcome
    finally:
        shared.stopped = True
        pool.shutdown(wait=False, cancel_futures=True)
        close()
        pool.shutdown()


def lockstep(jobs: list[Job], tracker: Batched, bar: Counter) -> Outcomes:
    """Run jobs side by side in a tracker's lanes, a batch a step; a lane that ends takes the next job.

    Gives and raises what `threads` does. A step's time is shared among the lanes in use.
    """
    waiting, lanes = deque(jobs), dict[int, _Course]()
    try:
        while waiting or lanes:
            for lane in range(tracker.lanes):
                if lane not in lanes and waiting:
                    lanes[lane] = _Course(waiting.popleft(), bar, _ahead(tracker.lanes), tracker.frame)
            frames = {lane: course.frame() for lane, course in lanes.items()}
            begin = time.perf_counter()
            starts = {lane: course.request for lane, course in lanes.items() if isinstance(course.request, Init)}
            for lane, request in starts.items():
                tracker.init(lane, frames[lane], request.box)
            followed = {lane: frame for lane, frame in frames.items() if lane not in starts}
            boxes, confidence = tracker.update(followed) if followed else (np.empty(0), np.empty(0))
            seconds = (time.perf_counter() - begin) / len(lanes)
            for lane, course in list(lanes.items()):
                if lane in starts:
                    answer = Answer(starts[lane].box, seconds, float("nan"))
                else:
                    answer = Answer(boxes[lane].copy(), seconds, float(confidence[lane]))
                outcome = course.send(answer)
                if outcome is not None:
                    del lanes[lane]
                    yield course.job, outcome
    finally:
        for course in lanes.values():
            course.close()


def drive(
    protocol: Asking,
    tracker: Tracker,
    sequence: Sequence,
    bar: Counter,
    ahead: int = AHEAD,
    sharing: Callable[[], int] = lambda: 1,
) -> Result:
    """Answer a protocol's requests with a tracker until it returns its result.

    A frame's time is the tracker's own, decoding left out, over the number of runs that share the machine.

    Raises:
        TrackerError: the tracker failed.
        InputError: a frame cannot be read.
    """
    course = _Course(Job(sequence, 1, lambda _: protocol), bar, ahead)
    try:
        while True:
            image, request = course.frame(), course.request
            begin = time.perf_counter()
            if isinstance(request, Init):
                tracker.init(image, request.box)
                box = request.box
            else:
                box = tracker.update(image)
            seconds = (time.perf_counter() - begin) / sharing()
            outcome = course.send(Answer(box, seconds, tracker.confidence))
            if isinstance(outcome, TrackerError):
                raise outcome
            if outcome is not None:
                return outcome
    finally:
        course.close()


def decoded(
    sequence: Sequence, ahead: int = AHEAD, kept: Callable[[Image], Any] = lambda image: image
) -> Generator[Any, None, None]:
    """The frames in order, decoded in a thread at most `ahead` before they are taken, as `kept` makes them.

    Raises InputError at the frame that cannot be read.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="decode")

    def load(index: int) -> Any:
        return kept(sequence.image(index))

    try:
        waiting = deque(pool.submit(load, index) for index in range(min(ahead, len(sequence))))
        for index in range(len(sequence)):
            frame = waiting.popleft().result()
            if index + ahead < len(sequence):
                waiting.append(pool.submit(load, index + ahead))
            yield frame
            del frame
    finally:
        pool.shutdown(cancel_futures=True)


class _Course:
    """A protocol under way: what it asks for, and the frames it asks on."""

    def __init__(self, job: Job, bar: Counter, ahead: int, kept: Callable[[Image], Any] = lambda image: image) -> None:
        self.job, self._bar = job, bar
        self._protocol = job.protocol(job.sequence)
        self._frames = decoded(job.sequence, ahead, kept)
        self._position = -1
        self.request = next(self._protocol)

    def frame(self) -> Any:
        """The frame of the request; those before it are decoded, and passed over."""
        while self._position < self.request.frame:
            frame = next(self._frames)
            self._position += 1
            self._bar.advance()
        return frame

    def send(self, answer: Answer) -> Result | TrackerError | None:
        """Answer the request: None where another follows."""
        try:
            self.request = self._protocol.send(answer)
        except StopIteration as end:
            outcome: Result | TrackerError = end.value
        except TrackerError as failure:
            outcome = failure
        else:
            return None
        self._bar.advance(len(self.job.sequence) - 1 - self._position)
        self.close()
        return outcome

    def close(self) -> None:
        """Decode no more."""
        self._frames.close()


class _Shared:
    """Counts for several threads, and ends them."""

    def __init__(self, bar: Counter) -> None:
        self._bar, self._lock, self._busy = bar, threading.Lock(), 0
        self.stopped = False

    def advance(self, amount: int = 1) -> None:
        """Add finished frames."""
        if self.stopped:
            raise RuntimeError("the other lanes have stopped")
        with self._lock:
            self._bar.advance(amount)

    def busy(self) -> int:
        """How many lanes are in use."""
        return self._busy

    @contextmanager
    def lane(self) -> Iterator[None]:
        """A lane in use."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1


def _ahead(lanes: int) -> int:
    return max(FEWEST_AHEAD, AHEAD // lanes)

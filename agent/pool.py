"""A pool of trial slots: starts a trial of one solution on one fold in a thread, hands back what has finished."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from sandbox import Trial

Job = TypeVar("Job")


class Pool(Generic[Job]):
    """At most `slots` trials at once. The threads only wait: each trial is a process of its own."""

    def __init__(self, slots: int, run: Callable[[Job], Trial]) -> None:
        self.slots = slots
        self.run = run
        self.threads = ThreadPoolExecutor(slots, thread_name_prefix="trial")
        self.running: dict[Future[Trial], Job] = {}

    @property
    def free(self) -> int:
        return self.slots - len(self.running)

    def start(self, job: Job) -> None:
        self.running[self.threads.submit(self.run, job)] = job

    def finished(self, *, seconds: float) -> list[tuple[Job, Trial]]:
        """Jobs done by now; waits at most `seconds` for the first. An exception of ours is raised here."""
        if not self.running:
            return []
        done, _ = wait(self.running, timeout=max(0.0, seconds), return_when=FIRST_COMPLETED)
        return [(self.running.pop(future), future.result()) for future in done]

    def close(self) -> None:
        """Drop what still runs; the executor has killed it."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.running.clear()

"""A pool of trial slots: starts a trial of one solution on one fold in a thread, hands back what has finished. A trial holds
a slot for each of its threads."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from sandbox import Trial

Job = TypeVar("Job")


class Pool(Generic[Job]):
    """At most `slots` slots are held at once. The threads here only wait: each trial is a process of its own."""

    def __init__(self, slots: int, run: Callable[[Job], Trial]) -> None:
        self.slots = slots
        self.run = run
        self.threads = ThreadPoolExecutor(slots, thread_name_prefix="trial")
        self.running: dict[Future[Trial], Job] = {}
        self.held: dict[Future[Trial], int] = {}

    @property
    def free(self) -> int:
        return self.slots - sum(self.held.values())

    def start(self, job: Job, *, slots: int = 1) -> None:
        """Raises ValueError where fewer slots are free."""
        if slots > self.free:
            raise ValueError(f"a trial of {slots} threads for {self.free} free slots")
        future = self.threads.submit(self.run, job)
        self.running[future], self.held[future] = job, slots

    def finished(self, *, seconds: float) -> list[tuple[Job, Trial]]:
        """Jobs done by now; waits at most `seconds` for the first. An exception of ours is raised here."""
        if not self.running:
            return []
        done, _ = wait(self.running, timeout=max(0.0, seconds), return_when=FIRST_COMPLETED)
        for future in done:
            del self.held[future]
        return [(self.running.pop(future), future.result()) for future in done]

    def close(self) -> None:
        """Drop what still runs; the executor has killed it."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.running.clear()
        self.held.clear()

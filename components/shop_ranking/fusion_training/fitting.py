"""Methods fitted side by side: a thread each, as many at once as there are processors.

Trees and networks let go of the interpreter while they are fitted, and threads share the candidates
as they lie in memory. A method draws from generators of its own, so the order changes no result.
"""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from components.platform.cores import usable_cores
from components.platform.progress import part


@dataclass(frozen=True)
class Fitted:
    """What a method reached on validation, and how long it took beside the others."""

    reached: dict[str, float]
    seconds: float


def fit_all(methods: Collection[str], fit: Callable[[str], Fitted]) -> Iterator[tuple[str, Fitted]]:
    """Fit all methods; yield each with its result, in the order of `methods`.

    A failure is raised when its turn comes; what had not begun by then is not begun any more.
    """

    def run(name: str, number: int) -> Fitted:
        with part(name, number, len(methods)):
            return fit(name)

    at_once = min(usable_cores(), len(methods))
    with ThreadPoolExecutor(at_once, "method") as threads:
        running = [
            (name, threads.submit(run, name, number)) for number, name in enumerate(methods, 1)
        ]
        try:
            for name, future in running:
                yield name, future.result()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise

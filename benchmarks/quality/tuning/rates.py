"""The learning rate of a way of tuning: tried outwards until the best lies between two others."""

from collections.abc import Callable, Iterable

MOST = 7  # rates tried of one way


def bracketed(
    value: Callable[[float], float], start: Iterable[float], most: int = MOST
) -> dict[float, float]:
    """Return the values of the rates tried, ascending in the rate.

    While the best of them lies at an edge, one beyond that edge is tried, as far from it as its
    neighbour is (in ratio). Of equal values the one of the lower rate counts as the best.

    Args:
        value: what a rate reaches on validation.
        start: at least two rates to begin with.
        most: rates tried at most.

    """
    reached = {rate: value(rate) for rate in sorted(start)}
    while len(reached) < most:
        rates = sorted(reached)
        best = best_rate(reached)
        if best == rates[0]:
            following = rates[0] * rates[0] / rates[1]
        elif best == rates[-1]:
            following = rates[-1] * rates[-1] / rates[-2]
        else:
            break
        reached[following] = value(following)
    return dict(sorted(reached.items()))


def best_rate(reached: dict[float, float]) -> float:
    """Return the rate of the highest value, the lowest of equal ones."""
    return max(sorted(reached), key=lambda rate: reached[rate])


def at_edge(reached: dict[float, float]) -> bool:
    """Tell whether the best rate is the lowest or the highest tried: there may be a better one."""
    return best_rate(reached) in (min(reached), max(reached))

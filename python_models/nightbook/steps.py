"""Steps of a long computation, told to whoever shows them. Inside Snowflake nobody listens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[str], None]] = []


@contextmanager
def at(step: str) -> Iterator[None]:
    """Tell that a step has begun, and with an empty text that it is over."""
    for listener in _listeners:
        listener(step)
    try:
        yield
    finally:
        for listener in _listeners:
            listener("")


@contextmanager
def heard(listener: Callable[[str], None]) -> Iterator[None]:
    """Let a function hear the steps while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)

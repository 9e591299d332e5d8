"""The fan-out of one process."""

from collections.abc import Sequence

from services.api_gateway.fanout import Listener, LoggedEvent

__all__ = ["LocalFanout"]


class LocalFanout:
    """Hands events to the listeners in this process, at once and in order.

    Used from the event loop's thread only. Publishing costs one call for each
    listener of the stream, whatever other streams have.
    """

    def __init__(self) -> None:
        # A dict keeps the order of attaching and finds a listener at once.
        self._listeners: dict[str, dict[Listener, None]] = {}

    def attach(self, stream: str, listener: Listener) -> None:
        """Let the listener follow the stream from the next event on."""
        self._listeners.setdefault(stream, {})[listener] = None

    def detach(self, stream: str, listener: Listener) -> None:
        """Stop following; unknown pairs are ignored."""
        listeners = self._listeners.get(stream)
        if listeners is None:
            return
        listeners.pop(listener, None)
        if not listeners:
            del self._listeners[stream]

    def listeners(self, stream: str) -> tuple[Listener, ...]:
        """Who follows the stream now."""
        return tuple(self._listeners.get(stream, ()))

    def publish(self, events: Sequence[LoggedEvent]) -> None:
        """Hand events to the listeners of their streams, in order."""
        for event in events:
            listeners = self._listeners.get(event.stream)
            if listeners is None:
                continue
            # A copy: a listener that overflows detaches while it is told.
            for listener in tuple(listeners):
                listener.offer(event)

    def end(self, stream: str) -> None:
        """Tell the stream's listeners that it is gone, and forget them."""
        for listener in self._listeners.pop(stream, {}):
            listener.end(stream)

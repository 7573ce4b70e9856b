"""Turns that are always given."""

from contextlib import contextmanager


class FreeTurns:
    """A machine's turns, each of them given; `said` tells what was asked and recorded, in order.

    What must not happen outside of a turn can ask which of them are `open`.
    """

    def __init__(self):
        self.said, self.open, self.stops = [], [], []

    @contextmanager
    def _have(self, word, stop):
        self.said.append(f"{word} {stop.component}")
        self.stops.append(stop)
        self.open.append(word)
        try:
            yield
        finally:
            self.open.remove(word)

    def take(self, stop):
        return self._have("take", stop)

    def hold(self, stop):
        return self._have("hold", stop)

    def away(self, stop):
        assert "take" in self.open
        self.said.append(f"away {stop.component}")

    def back(self):
        self.said.append("back")

    def done(self, component, identity):
        self.said.append(f"done {component}")

    def finish(self):
        self.said.append("finish")


class NoTurns(FreeTurns):
    """A machine whose turn never comes."""

    def take(self, stop):
        from agent.turns import Waiting

        raise Waiting("others")

    hold = take

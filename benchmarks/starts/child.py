"""What baselines that start a program have in common."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from aetherless_py.errors import StrategyMissingError
from aetherless_py.start.base import Function, Strategy

FUNCTIONS = str(Path(__file__).resolve().parents[1] / "adapters")


class Baseline(Strategy):
    """A strategy that looks for what it needs before it prepares."""

    def _prepare(self, function: Function) -> None:
        if why := self.missing():
            raise StrategyMissingError(f"{self.name}: {why}")
        self._make(function)

    @abstractmethod
    def _make(self, function: Function) -> None:
        """Does what is done once for all instances."""

"""End to end: HTTP requests to functions in service, from outside, tails included.

What is measured stands in `benchmarks/experiments`, a file an experiment, whose classes are found
there and shown here. In each round every trial has a server and a client in fresh processes of
their own, on any processor: they share the machine as they would.
"""

from __future__ import annotations

from benchmarks.experiments.base import _Experiment
from benchmarks.harness import registry


def _classes() -> dict[str, type[_Experiment]]:
    """The experiments' classes, each as one of this module, without the underscore of its name."""
    return {
        (name := each.__name__.removeprefix("_")): type(
            name, (each,), {"__module__": __name__, "__doc__": each.__doc__}
        )
        for each in registry.defined("benchmarks.experiments", _Experiment)
        if hasattr(each, "param_names")  # else it is a base of others
    }


globals().update(_classes())

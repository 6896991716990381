"""504.dna-visualisation: coordinates that show a DNA sequence in two dimensions.

Source: SeBS (github.com/spcl/serverless-benchmarks), 500.scientific/504.dna-visualisation:
"processing the `.fasta` file with the `squiggle` Python library", whose `transform` gives two
lists, and the document of them is stored. Here the sequence is drawn from a seed and comes in the
request; the document is made all the same, and the answer is its digest: it is some thirty times
the sequence.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any

WORKLOAD = {
    "name": "504.dna-visualisation",
    "variants": ("bases=1000", "bases=10000", "bases=100000"),
    "imports": ("hashlib", "json", "numpy", "squiggle", "tqdm"),
    "memory_mb": 512,
}

_LINE = 70  # bases, as usual in FASTA
_STEPS = {"A": (0.5, 0), "C": (-0.5, 0), "G": (0.5, 1), "T": (-0.5, -1)}

with contextlib.suppress(ImportError):  # asv imports every module, also where this is missing
    from squiggle import transform


def handler(event: Any, context: Any) -> Any:
    """How many bases and points there are, where the last one is, and the document's digest."""
    if not event.get("body"):  # somebody asks whether it is up
        return {}
    lines = event["body"].split("\n")
    x, y = transform("".join(line for line in lines if not line.startswith(">")))
    return _told(x, y)


def _told(x: list[Any], y: list[Any]) -> dict[str, Any]:
    document = json.dumps({"x": x, "y": y}).encode()
    return {
        "bases": len(x) // 2,
        "points": len(y),
        "last": y[-1],
        "sha256": hashlib.sha256(document).hexdigest(),
    }


def _sequence(bases: int, seed: int) -> str:
    from random import Random

    return "".join(Random(seed).choices("ACGT", k=bases))


def request(size: int, seed: int) -> tuple[str, str, dict[str, str], bytes]:
    """A sequence of so many bases, as FASTA."""
    sequence = _sequence(size, seed)
    lines = [sequence[at : at + _LINE] for at in range(0, size, _LINE)]
    body = "\n".join([f">seed-{seed} random", *lines, ""]).encode()
    return "POST", "/", {"content-type": "text/x-fasta"}, body


def expected(size: int, seed: int) -> dict[str, Any]:
    """By squiggle's rules, in Python: half a step to a base's own point, half a step on."""
    y: list[float] = [0]
    for base in _sequence(size, seed):
        up, change = _STEPS[base]
        level = y[-1]
        y += [level + up, level + change]
    return _told([at / 2 for at in range(2 * size + 1)], y)

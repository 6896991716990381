"""311.compression: a folder of files to a zip archive.

Source: SeBS (github.com/spcl/serverless-benchmarks), 300.utilities/311.compression: gathers files
of a storage in a temporary folder, makes a .zip of it with `shutil`, and stores that. Here the
files are made from the request's seed, where SeBS downloads them, and the archive is the answer.
`shutil.make_archive` leaves the order to the file system and takes the files' times; `zipfile`,
which it calls, is called here with names in order and one time: equal requests, equal answers.

The folder is in what `tempfile` finds (`TMPDIR`), and is gone when the answer is there.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from random import Random
from typing import Any

from benchmarks.workloads._digested import digested

WORKLOAD = {
    "name": "311.compression",
    "variants": ("files=10", "files=40", "files=160"),
    "imports": ("base64", "hashlib", "json", "random", "tempfile", "zipfile"),
    "kind": "application/zip",
    "digest": True,
}

_FEWEST_BYTES, _MOST_BYTES = 1 << 10, 32 << 10  # of a file
_FOLDER_FILES = 16
_TIME = (2026, 11, 25, 0, 0, 0)
# Letters as often as in English text, about: random bytes become what can be compressed by half.
_LETTERS = (b"e" * 26 + b"t" * 19 + b"a" * 17 + b"o" * 16 + b"i" * 15 + b"n" * 14 + b"s" * 13
            + b"h" * 13 + b"r" * 12 + b"d" * 9 + b"l" * 8 + b"u" * 6 + b"c" * 6 + b"m" * 5
            + b"\n" * 5 + b" " * 72)  # fmt: skip


def handler(event: Any, context: Any) -> Any:
    """The archive, with its digest."""
    if not event.get("body"):  # somebody asks whether it is up
        return {}
    asked = json.loads(event["body"])
    with tempfile.TemporaryDirectory(prefix="aetherless-compression-") as place:
        folder, file = os.path.join(place, "folder"), os.path.join(place, "archive.zip")
        for name, data in _files(asked["files"], asked["seed"]):
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as made:
                made.write(data)
        _compress(folder, file)
        with open(file, "rb") as done:
            return digested("application/zip", done.read())


def _compress(folder: str, file: str) -> None:
    paths = [os.path.join(each, name) for each, _, names in os.walk(folder) for name in names]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(paths):
            entry = zipfile.ZipInfo(os.path.relpath(path, folder), _TIME)
            with open(path, "rb") as data:
                archive.writestr(entry, data.read(), zipfile.ZIP_DEFLATED)


def _files(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    random = Random(seed)
    for each in range(count):
        data = random.randbytes(random.randint(_FEWEST_BYTES, _MOST_BYTES))
        yield f"part-{each // _FOLDER_FILES:02}/{each:04}.txt", data.translate(_LETTERS)


def expected(size: int, seed: int) -> dict[str, bytes]:
    """The files."""
    return dict(_files(size, seed))


def fault(expected: dict[str, bytes], body: bytes) -> str | None:
    """Whether the archive holds these files, and is smaller than they are."""
    from io import BytesIO

    # zipfile would look for the archive's end, and pass over what is around it.
    if not body.startswith(b"PK\3\4") or body[-22:-18] != b"PK\5\6":
        return f"no whole archive: {body[:8]!r} to {body[-22:]!r}"
    with zipfile.ZipFile(BytesIO(body)) as archive:
        if archive.namelist() != sorted(expected):
            return f"{len(archive.namelist())} files, not the {len(expected)} of that folder"
        for name, data in expected.items():
            if archive.read(name) != data:  # which looks at the CRC, too
                return f"{name} holds something else"
    if len(body) > 0.75 * sum(map(len, expected.values())):
        return f"{len(body)} bytes, which is not compressed"
    return None

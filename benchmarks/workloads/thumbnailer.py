"""210.thumbnailer: a picture to one of at most 200 x 200 pixels, both JPEG.

Source: SeBS (github.com/spcl/serverless-benchmarks), 200.multimedia/210.thumbnailer: takes an image
from a storage, "resizes it to a thumbnail size" with Pillow, 200 x 200, and stores it. Here the
picture comes in the request and goes back in the answer: no storage is measured.
"""

from __future__ import annotations

import base64
import contextlib
from io import BytesIO
from typing import Any

from benchmarks.workloads._digested import digested

WORKLOAD = {
    "name": "210.thumbnailer",
    "variants": ("width=640", "width=1920", "width=3840"),
    "imports": ("base64", "hashlib", "PIL", "PIL.Image", "PIL.JpegImagePlugin"),
    "kind": "image/jpeg",
    "digest": True,
    "memory_mb": 256,
}

_MOST = (200, 200)  # pixels
_SIZE = (200, 150)  # of a thumbnail of a picture of 4:3
# Levels of 256 by which a thumbnail may differ from plain averages. Right ones do by 3 to 5, and 9
# at one place: JPEG is lossy, twice, and Pillow's filter leaves more grain. Moved by
# 5 pixels it is 28 off, mirrored 58.
_MEAN_DIFFERENCE, _PLACE_DIFFERENCE = 8.0, 24

with contextlib.suppress(ImportError):  # asv imports every module, also where this is missing
    from PIL import Image, JpegImagePlugin  # noqa: F401  # the latter at the first picture, else


def handler(event: Any, context: Any) -> Any:
    """The thumbnail, with its digest."""
    if not event.get("body"):  # somebody asks whether it is up
        return {}
    made = BytesIO()
    with Image.open(BytesIO(base64.b64decode(event["body"])), formats=["JPEG"]) as picture:
        picture.thumbnail(_MOST)
        picture.save(made, "JPEG")
    return digested("image/jpeg", made.getvalue())


def _picture(width: int, seed: int) -> Image.Image:
    """Soft colours with coarse grain, so that a JPEG of it is about as large as a photograph's."""
    from random import Random

    random, size = Random(seed), (width, width * 3 // 4)
    soft = Image.frombytes("RGB", (16, 12), random.randbytes(16 * 12 * 3))
    small = (width // 4, width * 3 // 16)
    grain = Image.frombytes("L", small, random.randbytes(small[0] * small[1]))
    return Image.blend(
        soft.resize(size, Image.Resampling.BICUBIC),
        grain.resize(size, Image.Resampling.NEAREST).convert("RGB"),
        0.1,
    )


def request(size: int, seed: int) -> tuple[str, str, dict[str, str], bytes]:
    """A picture `size` pixels wide and three quarters of it high."""
    sent = BytesIO()
    _picture(size, seed).save(sent, "JPEG", quality=90)
    return "POST", "/", {"content-type": "image/jpeg"}, sent.getvalue()


def expected(size: int, seed: int) -> Image.Image:
    """The picture as it was before it became a JPEG, each pixel the average of its place."""
    return _picture(size, seed).resize(_SIZE, Image.Resampling.BOX)


def fault(expected: Image.Image, body: bytes) -> str | None:
    """Form, size, and how far it is from the average, as a whole and where it is farthest."""
    from PIL import ImageChops, ImageStat

    if not (body.startswith(b"\xff\xd8") and body.endswith(b"\xff\xd9")):  # Pillow is lenient
        return f"no whole JPEG: {body[:8]!r} to {body[-8:]!r}"
    with Image.open(BytesIO(body)) as got:
        if got.format != "JPEG" or got.size != _SIZE or got.mode != "RGB":
            return f"{got.format} {got.mode} {got.size}, not JPEG RGB {_SIZE}"
        difference = ImageChops.difference(got, expected)
    mean = max(ImageStat.Stat(difference).mean)
    place = max(most for _, most in difference.reduce(10).getextrema())  # type: ignore[misc]
    if mean > _MEAN_DIFFERENCE or place > _PLACE_DIFFERENCE:
        return f"another picture: {mean:.1f} levels off, and {place} at one place"
    return None

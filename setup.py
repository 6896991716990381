"""The compiled parts; everything else about the package stands in pyproject.toml."""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

C_FOLDER = "aetherless_py/shm/_c"
INCLUDED = [f"{C_FOLDER}/{name}" for name in ("crc32.c", "crc32.h", "layout.h", "wait.h")]


def extension(name: str) -> Extension:
    return Extension(
        f"aetherless_py.{name}",
        [f"aetherless_py/{name.replace('.', '/')}.pyx"],
        include_dirs=[C_FOLDER],
        depends=INCLUDED,
        # Without what only a debugger reads, which takes a quarter of the compiler's time.
        extra_compile_args=["-O3", "-g0", "-std=gnu11", "-D_GNU_SOURCE"],
    )


setup(
    # Each has one source of its own: they are compiled side by side.
    options={"build_ext": {"parallel": len(os.sched_getaffinity(0))}},
    ext_modules=cythonize(
        [
            extension("shm.layout"),
            extension("shm.region"),
            extension("shm.checksum"),
            extension("shm.side"),
            extension("shm.producer"),
            extension("shm.consumer"),
            extension("shm.ring"),
            extension("channel"),
            extension("runtime.alarm"),
            extension("runtime.named"),
            extension("start.forks"),
            extension("start.memory"),
            extension("start.process"),
        ],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
    ),
)

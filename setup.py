"""The compiled parts; everything else about the package stands in pyproject.toml."""

from Cython.Build import cythonize
from setuptools import Extension, setup

C_FOLDER = "aetherless_py/shm/_c"
HEADERS = [f"{C_FOLDER}/{name}" for name in ("crc32.h", "layout.h", "wait.h")]


def extension(name: str, *more_sources: str) -> Extension:
    return Extension(
        f"aetherless_py.{name}",
        [f"aetherless_py/{name.replace('.', '/')}.pyx", *more_sources],
        include_dirs=[C_FOLDER],
        depends=HEADERS,
        extra_compile_args=["-O3", "-std=gnu11", "-D_GNU_SOURCE"],
    )


setup(
    ext_modules=cythonize(
        [
            extension("shm.layout"),
            extension("shm.region"),
            extension("shm.checksum", f"{C_FOLDER}/crc32.c"),
            extension("shm.side"),
            extension("shm.producer", f"{C_FOLDER}/crc32.c"),
            extension("shm.consumer", f"{C_FOLDER}/crc32.c"),
            extension("shm.ring"),
            extension("channel"),
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
    )
)

"""What every test of a way gets: a function, and a look at what is left over."""

from __future__ import annotations

import pytest

from benchmarks.starts import ways
from benchmarks.starts._package_strategy import PackageStrategy
from tests.ways.support import able
from tests.ways.support import nothing_left as nothing_left

BESIDE = [name for name, kind in ways().items() if not issubclass(kind, PackageStrategy)]

# Only for what these can do: a program in a pid namespace of its own, a handler in Node.js.
SCRIPTS = {
    "fails": (
        "raise RuntimeError('this function cannot be imported')",
        "throw new Error('this function cannot be imported');",
    ),
    "exits": (
        "import os\nprint('not today', flush=True)\nos._exit(7)",
        "console.log('not today'); process.exit(7);",
    ),
    "waits": (
        "import time\nprint('this takes for ever', flush=True)\ntime.sleep(600)",
        "require('fs').writeSync(1, 'this takes for ever\\n');"
        " Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600000);",
    ),
    "odd": (
        "import os, time\n"
        "def do(request):\n"
        "    if request == b'pid': return b'%d' % os.getpid()\n"
        "    if request == b'raise': raise ValueError('no such thing')\n"
        "    if request == b'exit': os._exit(3)\n"
        "    if request == b'hang': time.sleep(600)\n"
        "    if request == b'print': os.write(1, b'x' * (1 << 20) + b'the end')\n"
        "    return request\n",
        "exports.do = (request) => {\n"
        "  const what = request.toString();\n"
        "  if (what === 'pid') return Buffer.from(String(process.pid));\n"
        "  if (what === 'raise') { const e = new Error('no such thing');"
        " e.name = 'ValueError'; throw e; }\n"
        "  if (what === 'exit') process.exit(3);\n"
        "  if (what === 'hang') for (;;);\n"
        "  if (what === 'print')"
        " require('fs').writeSync(1, Buffer.alloc(1 << 20, 'x') + 'the end');\n"
        "  return request;\n"
        "};\n",
    ),
}


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of functions that do such things."""
    folder = tmp_path_factory.mktemp("functions")
    for name, (python, javascript) in SCRIPTS.items():
        (folder / f"{name}.py").write_text(python)
        (folder / f"{name}.js").write_text(javascript)
    return str(folder)


@pytest.fixture(params=ways())
def name(request: pytest.FixtureRequest) -> str:
    """Each way."""
    return able(request.param)


@pytest.fixture(params=BESIDE)
def beside(request: pytest.FixtureRequest) -> str:
    """Each way beside the package's own, which have tests of their own."""
    return able(request.param)

"""What the commands have in common."""

from __future__ import annotations

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line that begins with the command's name, and exits with 2."""

    def error(self, message: str) -> NoReturn:
        name = self.prog.rpartition(".")[2]
        self.exit(2, f"{name}: {message}; see --help\n")

"""What commands print: plain lines in a log or a pipe; colour and a spinner where a person looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console as RichConsole


class Console:
    """Standard output and standard error of a command; text is printed as it is, never wrapped or marked up."""

    def __init__(self, environ: Mapping[str, str], out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.began = time.monotonic()
        self.out, self.err = _open(environ, out or sys.stdout), _open(environ, err or sys.stderr)

    @property
    def interactive(self) -> bool:
        """Is standard output a terminal, with a person in front of it?"""
        return self.out.is_terminal

    @property
    def seconds(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self.began

    def print(self, text: str = "", style: str | None = None, end: str = "\n") -> None:
        """Print to standard output."""
        self.out.print(text, style=style, end=end, markup=False, highlight=False, soft_wrap=True, emoji=False)

    def note(self, text: str, style: str | None = None) -> None:
        """Print to standard error: what is not the answer itself."""
        self.err.print(text, style=style, markup=False, highlight=False, soft_wrap=True, emoji=False)

    def error(self, text: str) -> None:
        """Print to standard error why the command ends."""
        self.note(f"error: {text}", style="red")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time a step: a spinner on a terminal meanwhile; at its end a line with its seconds, FAILED if it raised."""
        began = time.monotonic()
        try:
            with self.waiting(title):
                yield
        except BaseException:
            self.print(f"{time.monotonic() - began:5.0f} s   ", end="")
            self.print(f"{title}: FAILED", style="red")
            raise
        self.print(f"{time.monotonic() - began:5.0f} s   {title}")

    @contextmanager
    def waiting(self, title: str) -> Iterator[None]:
        """A spinner while something goes on; nothing in a log."""
        if not self.interactive:
            yield
            return
        from rich.text import Text

        with self.out.status(Text(f"{title} …")):
            yield


def _open(environ: Mapping[str, str], stream: TextIO) -> RichConsole:
    terminal = stream.isatty()
    coloured = terminal and not environ.get("NO_COLOR")
    return RichConsole(
        file=stream, force_terminal=terminal, color_system="auto" if coloured else None, no_color=not coloured
    )

"""The one error that a command ends with on purpose."""

from __future__ import annotations


class OpsError(Exception):
    """A command cannot do what it was asked; the text says what, where and what to do."""

    exit_code = 1


class CommandFailed(OpsError):
    """A program that a command ran ended with an error; `output` is what it printed."""

    def __init__(self, message: str, code: int, output: str = "") -> None:
        super().__init__(message)
        self.code, self.output = code, output

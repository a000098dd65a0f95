"""Run the programs that operate the cluster: kubectl, kind, helm, docker, git."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from collisions_ops.errors import CommandFailed, OpsError

Word = str | Path


@dataclass(frozen=True)
class Done:
    """How a program ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Did it succeed?"""
        return self.code == 0


class Shell:
    """Runs programs of the caller's PATH with the caller's environment.

    With a `log`, what programs print is appended to that file as they print it.
    """

    def __init__(self, environ: Mapping[str, str], log: Path | None = None) -> None:
        self.environ, self.log = environ, log

    def find(self, program: str) -> str | None:
        """Where a program is, or None."""
        return shutil.which(program, path=self.environ.get("PATH", ""))

    def try_(self, *command: Word, stdin: str | None = None, cwd: Path | None = None) -> Done:
        """Run a program and return how it ended; one that is not installed ends with 127, as in a shell."""
        try:
            done = subprocess.run(
                [str(word) for word in command],
                env=dict(self.environ),
                cwd=cwd,
                text=True,
                capture_output=True,
                check=False,
                input=stdin or "",
            )
        except FileNotFoundError:
            return Done(127, "", f"{command[0]} is not installed\n")
        return Done(done.returncode, done.stdout, done.stderr)

    def output(self, *command: Word, stdin: str | None = None, cwd: Path | None = None) -> str:
        """A program's output; raises CommandFailed with what it said where it fails."""
        done = self.try_(*command, stdin=stdin, cwd=cwd)
        if not done.ok:
            said = (done.err or done.out).strip()
            raise CommandFailed(f"{brief(command)}: {said or f'exit code {done.code}'}", done.code, done.out + done.err)
        return done.out

    def run(self, *command: Word, cwd: Path | None = None) -> None:
        """Run a program whose output goes to the log; raises CommandFailed."""
        if self.log is None:
            raise OpsError("internal: Shell.run needs a log")
        with self.log.open("a") as log:
            try:
                code = subprocess.run(
                    [str(word) for word in command],
                    env=dict(self.environ),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    check=False,
                ).returncode
            except FileNotFoundError:
                print(f"{command[0]} is not installed", file=log)
                code = 127
        if code != 0:
            raise CommandFailed(f"{brief(command)}: exit code {code}", code)


def brief(command: Sequence[Word]) -> str:
    """The first words of a command, for an error."""
    return " ".join(str(word) for word in command[:5])


def paste(*command: Word, **environment: Word) -> str:
    """A command line, settings first, that can be pasted into a shell as it is printed."""
    settings = [f"{name}={shlex.quote(str(value))}" for name, value in environment.items()]
    return " ".join([*settings, shlex.join(str(word) for word in command)])

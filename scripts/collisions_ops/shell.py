"""Run the programs that operate the cluster: kubectl, kind, helm, docker, git."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from collisions_ops.errors import CommandFailed

Word = str | Path

QUERY_SECONDS = 120  # the limit of a program that is asked something
RUN_SECONDS = 3600  # the limit of one that makes something: a build, a cluster, a release


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

    def attempt(self, *command: Word, stdin: str = "", cwd: Path | None = None, seconds: float = QUERY_SECONDS) -> Done:
        """Run a program and return how it ended: 127 where it is not installed, 124 where it took too long."""
        try:
            done = subprocess.run(
                [str(word) for word in command],
                env=dict(self.environ),
                cwd=cwd,
                text=True,
                capture_output=True,
                check=False,
                input=stdin,
                timeout=seconds,
            )
        except FileNotFoundError:
            return Done(127, "", f"{command[0]} is not installed\n")
        except subprocess.TimeoutExpired:
            return Done(124, "", f"no answer within {seconds:.0f} s\n")
        return Done(done.returncode, done.stdout, done.stderr)

    def output(self, *command: Word, stdin: str = "", cwd: Path | None = None) -> str:
        """A program's output; raises CommandFailed with its error output if it fails."""
        done = self.attempt(*command, stdin=stdin, cwd=cwd)
        if not done.ok:
            said = (done.err or done.out).strip()
            raise CommandFailed(f"{brief(command)}: {said or f'exit code {done.code}'}", done.code, done.out + done.err)
        return done.out

    def run(self, *command: Word, cwd: Path | None = None) -> None:
        """Run a program whose output goes to the log; raises CommandFailed."""
        program = self.start(*command, cwd=cwd)
        try:
            code = program.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"{brief(command)}: did not finish within {RUN_SECONDS} s", 124) from None
        finally:
            if program.poll() is None:
                program.kill()
        if code != 0:
            raise CommandFailed(f"{brief(command)}: exit code {code}", code)

    def output_of_both(self, *command: Word) -> str:
        """What a program that takes its time prints on both streams; raises CommandFailed where it fails."""
        done = self.attempt(*command, seconds=RUN_SECONDS)
        if not done.ok:
            raise CommandFailed(f"{brief(command)}: {(done.err or done.out).strip()}", done.code, done.out + done.err)
        return done.err + done.out

    def start(self, *command: Word, cwd: Path | None = None, apart: bool = False) -> subprocess.Popen[bytes]:
        """Start a program whose output goes to the log; `apart`: in a session of its own, so that it outlives ours."""
        if self.log is None:
            raise ValueError("a program that is not waited for needs a log")
        with self.log.open("ab") as log:
            try:
                return subprocess.Popen(
                    [str(word) for word in command],
                    env=dict(self.environ),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=apart,
                )
            except FileNotFoundError:
                raise CommandFailed(f"{command[0]} is not installed", 127) from None


def brief(command: Sequence[Word]) -> str:
    """The first words of a command, for an error."""
    return " ".join(str(word) for word in command[:5])


def paste(*command: Word, **environment: Word) -> str:
    """A command line, settings first, that can be pasted into a shell as it is printed."""
    settings = [f"{name}={shlex.quote(str(value))}" for name, value in environment.items()]
    return " ".join([*settings, shlex.join(str(word) for word in command)])

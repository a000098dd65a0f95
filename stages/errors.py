"""One tree of errors; the class of an error decides what the scheduler does about it.

StageError                    70  a bug in the pipeline: fail at once
├── TransientError            75  try again later: store unreachable, lost publish, full disk
│   ├── StoreUnavailable
│   ├── SourceUnavailable
│   └── PreconditionFailed
├── DataError                 65  the data breaks its contract: fail at once
│   ├── SourceError               a landed file that cannot be read as what it should be
│   ├── ContractError             a stage's input or output is not what was promised
│   └── ObjectMissing
└── ConfigError               78  settings or arguments: fail at once
    └── StoreDenied

The numbers are those of BSD's sysexits.h: EX_SOFTWARE, EX_TEMPFAIL, EX_DATAERR, EX_CONFIG.
"""

import signal


class Stopped(SystemExit):
    """A signal has asked the process to end; the exit code is that of a shell."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number

    def __str__(self) -> str:
        return f"by {signal.Signals(self.number).name}"


class StageError(Exception):
    """Base of every error that a stage raises on purpose; its text says what, where and what to do."""

    exit_code = 70


class TransientError(StageError):
    """Nothing is wrong with data or settings; the same command may succeed later."""

    exit_code = 75


class StoreUnavailable(TransientError):
    """The object store did not answer, answered with a server fault, or broke off."""


class SourceUnavailable(TransientError):
    """The publisher's API did not answer in time, or what it answered did not hold together."""


class PreconditionFailed(TransientError):
    """A conditional write lost: the object is no longer the one that was read."""


class DataError(StageError):
    """The data breaks its contract; trying again changes nothing."""

    exit_code = 65


class SourceError(DataError):
    """A landed file cannot be read.

    `line` is the physical line, counted from 1, or None where the whole file is meant.
    """

    def __init__(self, source: str, line: int | None, problem: str) -> None:
        super().__init__(f"{source}{'' if line is None else f', line {line}'}: {problem}")


class ContractError(DataError):
    """A stage's input or output is not what the stage before, or this one, promised."""


class ObjectMissing(DataError):
    """An object that must exist is not in the store."""


class ConfigError(StageError):
    """A setting or an argument is missing, unknown or malformed."""

    exit_code = 78


class StoreDenied(ConfigError):
    """The object store refuses these credentials, or has no such bucket."""

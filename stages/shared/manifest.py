"""What a stage of a run has done: the row ledger, and the manifest that the next stage asks for."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime

from stages.shared import layers
from stages.shared.errors import ContractError, DataError, ObjectMissing, PreconditionFailed
from stages.shared.layers import Scope
from stages.shared.logs import human_bytes, log
from stages.shared.object_store import ObjectInfo, ObjectStore
from stages.shared.settings import Settings


@dataclass
class Ledger:
    """Rows of one stage; every row that comes in must be in one of the other three."""

    rows_in: int = 0
    rows_out: int = 0
    quarantined: int = 0
    superseded: int = 0

    def __add__(self, other: Ledger) -> Ledger:
        return Ledger(
            self.rows_in + other.rows_in,
            self.rows_out + other.rows_out,
            self.quarantined + other.quarantined,
            self.superseded + other.superseded,
        )

    def check(self, what: str) -> None:
        """Raise ContractError where rows are unaccounted for."""
        accounted = self.rows_out + self.quarantined + self.superseded
        if self.rows_in != accounted:
            raise ContractError(
                f"{what}: {self.rows_in} rows in, but {accounted} accounted for ({self.rows_out} out,"
                f" {self.quarantined} quarantined, {self.superseded} superseded); nothing is published"
            )


@dataclass
class Output:
    """One object that a stage answers for."""

    key: str
    etag: str
    rows: int
    size: int


@dataclass
class Job:
    """One stage's work in one run on one dataset: what it is given, and the record that it builds."""

    store: ObjectStore
    settings: Settings
    stage: str
    dataset: str
    scope: Scope
    run_id: str
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    standing: dict[str, ObjectInfo] = field(default_factory=dict)
    rules: Counter[str] = field(default_factory=Counter)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)

    @property
    def what(self) -> str:
        return f"{self.stage} {self.dataset}"

    @property
    def manifest_key(self) -> str:
        return layers.manifest(self.run_id, self.stage, self.dataset)

    def begin(self) -> None:
        """Withdraw what an earlier attempt of this run has said of this stage."""
        self.store.delete(self.manifest_key)
        log.info("%s: scope %s, run %s", self.what, self.scope, self.run_id)

    def partitions(self, layer: str, table: str) -> dict[str, ObjectInfo]:
        """The layer's partitions of the months in scope, by key."""
        found = self.store.list(layers.layer(layer, table))
        return {info.key: info for info in found if (month := layers.month_of(info.key)) and self.scope.touches(month)}

    def claim(self, layer: str, *tables: str) -> None:
        """Note what stands where this stage will write, before it looks at its inputs: what another run makes of newer
        ones is then noticed by `put` and spared by `replace`.
        """
        for table in tables:
            self.standing |= self.partitions(layer, table)

    def require(self, stage: str, layer: str, tables: list[str]) -> dict[str, ObjectInfo]:
        """The partitions in scope that `stage` of this run says it has left, exactly; they become this job's inputs.

        Raises ContractError where that stage has not finished or the lake no longer holds what it has left.
        """
        key = layers.manifest(self.run_id, stage, self.dataset)
        again = f"run {stage} of run {self.run_id} again"
        try:
            promised = json.loads(self.store.read(key))
        except ObjectMissing:
            raise ContractError(
                f"{self.what}: {self.store.describe(key)} is missing: {stage} has not finished; {again}"
            ) from None
        scope = Scope(*(date.fromisoformat(day) if day else None for day in (promised["start"], promised["end"])))
        if scope != self.scope:
            raise ContractError(f"{self.what}: {stage} of this run had the scope {scope}, not {self.scope}; {again}")
        found: dict[str, ObjectInfo] = {}
        for table in tables:
            found |= self.partitions(layer, table)
        wanted = {output["key"]: output["etag"] for output in promised["outputs"]}
        for name in sorted(wanted.keys() | found.keys()):
            if name not in found or found[name].etag != wanted.get(name):
                state = (
                    "is gone"
                    if name not in found
                    else "is not what it left"
                    if name in wanted
                    else "is not of its making"
                )
                raise ContractError(
                    f"{self.what}: {self.store.describe(name)} {state} ({stage} of run {self.run_id}); {again}"
                )
        self.inputs = wanted
        return found

    def quarantine(self) -> list[str]:
        """Keys of what this stage has set aside of the months in scope."""
        prefix = layers.quarantined(self.stage, self.dataset)
        found = (info.key for info in self.store.list(prefix))
        return [key for key in found if self.scope.touches(key.removeprefix(prefix).removesuffix(".parquet"))]

    def put(self, key: str, data: bytes, rows: int) -> Output:
        """Write a partition over the one that stood there; raises PreconditionFailed where it is now another run's."""
        before = self.standing.get(key)
        try:
            etag = self.store.put(key, data, expect=before.etag if before else None)
        except PreconditionFailed:
            now = self.store.head(key)
            if now is None or now.size != len(data) or self.store.read(key) != data:
                raise
            etag = now.etag  # both runs say the same
        return Output(key, etag, rows, len(data))

    def replace(self, outputs: Iterable[Output]) -> None:
        """Answer for `outputs`, and remove the other partitions that stood there."""
        self.outputs = sorted(outputs, key=lambda output: output.key)
        for key in self.standing.keys() - {output.key for output in self.outputs}:
            self.store.delete(key)

    def check_quarantine(self, quarantined: int, rows: int) -> None:
        """Raise DataError where more rows were turned away than the setting allows."""
        limit = self.settings.max_quarantine_ratio
        if rows and quarantined / rows > limit:
            worst = ", ".join(f"{rule} {count}" for rule, count in self.rules.most_common(5))
            where = self.store.describe(layers.quarantined(self.stage, self.dataset))
            raise DataError(
                f"{self.what}: {quarantined} of {rows} rows quarantined ({quarantined / rows:.1%}), more than"
                f" COLLISIONS_MAX_QUARANTINE_RATIO={limit:g} allows ({worst}); nothing is published. Look into {where}"
            )

    def finish(self, ledger: Ledger) -> None:
        """Check the ledger, write the manifest (last of all) and log the summary line."""
        ledger.check(self.what)
        seconds = time.monotonic() - self.started
        size = sum(output.size for output in self.outputs)
        record = {
            "run_id": self.run_id,
            "stage": self.stage,
            "dataset": self.dataset,
            "start": self.scope.start.isoformat() if self.scope.start else None,
            "end": self.scope.end.isoformat() if self.scope.end else None,
            **asdict(ledger),
            "rules": dict(sorted(self.rules.items())),
            "files": len(self.outputs),
            "bytes": size,
            "started_at": self.started_at.isoformat(),
            "seconds": round(seconds, 3),
            "image": self.settings.image,
            "code_version": self.settings.code_version,
            "inputs": [{"key": key, "etag": etag} for key, etag in sorted(self.inputs.items())],
            "outputs": [asdict(output) for output in self.outputs],
        }
        self.store.put(self.manifest_key, json.dumps(record, indent=1).encode())
        for rule, count in self.rules.most_common():
            log.info("%s: rule %s: %s rows", self.what, rule, f"{count:,}")
        log.info(
            "%s: rows in %s, out %s, quarantined %s, superseded %s; files %s, bytes %s; %.2f s",
            self.what,
            f"{ledger.rows_in:,}",
            f"{ledger.rows_out:,}",
            f"{ledger.quarantined:,}",
            f"{ledger.superseded:,}",
            f"{len(self.outputs):,}",
            human_bytes(size),
            seconds,
        )

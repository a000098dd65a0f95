"""A run of the pipeline, and one stage's work on one dataset in it: what it reads, what it writes, its manifest."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from stages.errors import ContractError, DataError, ObjectMissing, PreconditionFailed
from stages.lake import keys
from stages.lake.ledger import Ledger
from stages.lake.scope import Scope
from stages.lake.store import ObjectInfo, ObjectStore
from stages.logs import human_bytes, log
from stages.settings import Settings


@dataclass(frozen=True)
class Run:
    """What the four stages of a run have in common."""

    store: ObjectStore
    settings: Settings
    scope: Scope
    run_id: str


@dataclass(frozen=True)
class Output:
    """One object that a stage leaves in the lake."""

    key: str
    etag: str
    rows: int
    size: int


@dataclass
class Job:
    """One stage's work on one dataset: what it is given, and the record that it builds."""

    run: Run
    stage: str
    dataset: str
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    standing: dict[str, ObjectInfo] = field(default_factory=dict)
    rules: Counter[str] = field(default_factory=Counter)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(cls, run: Run, stage: str, dataset: str) -> Job:
        """A job whose earlier attempt in this run, if any, no longer counts as done."""
        job = cls(run, stage, dataset)
        job.store.delete(job.manifest_key)
        log.info("%s: scope %s, run %s", job.what, run.scope, run.run_id)
        return job

    @property
    def store(self) -> ObjectStore:
        """The lake."""
        return self.run.store

    @property
    def scope(self) -> Scope:
        """The dates that the run covers."""
        return self.run.scope

    @property
    def what(self) -> str:
        """The job's name in logs and errors."""
        return f"{self.stage} {self.dataset}"

    @property
    def manifest_key(self) -> str:
        """Where the job records what it did."""
        return keys.manifest(self.run.run_id, self.stage, self.dataset)

    def partitions(self, layer: str, table: str) -> dict[str, ObjectInfo]:
        """The layer's partitions of the months in scope, by key."""
        found = self.store.list(keys.layer(layer, table))
        return {info.key: info for info in found if (month := keys.month_of(info.key)) and self.scope.touches(month)}

    def claim(self, layer: str, *tables: str) -> None:
        """Note the partitions in scope before the job reads its inputs: it may overwrite and remove only these.

        One that another run writes from now on makes `put` fail, and `replace` leaves it alone.
        """
        for table in tables:
            self.standing |= self.partitions(layer, table)

    def require(self, stage: str, layer: str, tables: Iterable[str]) -> dict[str, ObjectInfo]:
        """The partitions in scope that `stage` of this run recorded in its manifest; they become this job's inputs.

        Raises ContractError where that stage has not finished, or the lake no longer holds exactly these.
        """
        key = keys.manifest(self.run.run_id, stage, self.dataset)
        again = f"run {stage} of run {self.run.run_id} again"
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
            if name not in found:
                problem = f"has been deleted since {stage} of run {self.run.run_id} wrote it"
            elif name not in wanted:
                problem = f"was not written by {stage} of run {self.run.run_id}"
            elif found[name].etag != wanted[name]:
                problem = f"has changed since {stage} of run {self.run.run_id} wrote it"
            else:
                continue
            raise ContractError(f"{self.what}: {self.store.describe(name)} {problem}; {again}")
        self.inputs = wanted
        return found

    def quarantine(self) -> list[str]:
        """Keys of the rows that this stage rejected in the months in scope."""
        prefix = keys.quarantined(self.stage, self.dataset)
        found = (info.key for info in self.store.list(prefix))
        return [key for key in found if self.scope.touches(key.removeprefix(prefix).removesuffix(".parquet"))]

    def put(self, key: str, data: bytes, rows: int) -> Output:
        """Write a partition over the one that was there; raises PreconditionFailed where another run replaced it."""
        before = self.standing.get(key)
        try:
            etag = self.store.put(key, data, expect=before.etag if before else None)
        except PreconditionFailed:
            now = self.store.head(key)
            if now is None or now.size != len(data) or self.store.read(key) != data:
                raise
            etag = now.etag  # the other run wrote the same
        return Output(key, etag, rows, len(data))

    def replace(self, outputs: Iterable[Output]) -> None:
        """Record `outputs` as what this stage leaves, and remove the other partitions that it claimed."""
        self.outputs = sorted(outputs, key=lambda output: output.key)
        for key in self.standing.keys() - {output.key for output in self.outputs}:
            self.store.delete(key)

    def check_quarantine(self, quarantined: int, rows: int) -> None:
        """Raise DataError where more rows were rejected than the setting allows."""
        limit = self.run.settings.max_quarantine_ratio
        if rows and quarantined / rows > limit:
            worst = ", ".join(f"{rule} {count}" for rule, count in self.rules.most_common(5))
            where = self.store.describe(keys.quarantined(self.stage, self.dataset))
            raise DataError(
                f"{self.what}: {quarantined} of {rows} rows quarantined ({quarantined / rows:.1%}), more than"
                f" COLLISIONS_MAX_QUARANTINE_RATIO={limit:g} allows ({worst}); nothing is published. Look into {where}"
            )

    def finish(self, ledger: Ledger) -> None:
        """Check the ledger, write the manifest (last of all) and log the summary line."""
        ledger.check(self.what)
        record = self.record(ledger)
        self.store.put(self.manifest_key, json.dumps(record, indent=1).encode())
        for rule, count in self.rules.most_common():
            log.info("%s: rule %s: %s rows", self.what, rule, f"{count:,}")
        log.info(
            "%s: rows in %s, out %s, quarantined %s, superseded %s; files %s, bytes %s; %.2f s",
            *(self.what, *(f"{count:,}" for count in asdict(ledger).values()), f"{len(self.outputs):,}"),
            *(human_bytes(record["bytes"]), record["seconds"]),
        )

    def record(self, ledger: Ledger) -> dict[str, Any]:
        """The manifest's content: what the job read, wrote and counted so far."""
        start, end = self.scope.start, self.scope.end
        return {
            "run_id": self.run.run_id,
            "stage": self.stage,
            "dataset": self.dataset,
            "start": start.isoformat() if start else None,
            "end": end.isoformat() if end else None,
            **asdict(ledger),
            "rules": dict(sorted(self.rules.items())),
            "files": len(self.outputs),
            "bytes": sum(output.size for output in self.outputs),
            "started_at": self.started_at.isoformat(),
            "seconds": round(time.monotonic() - self.started, 3),
            "image": self.run.settings.image,
            "code_version": self.run.settings.code_version,
            "inputs": [{"key": key, "etag": etag} for key, etag in sorted(self.inputs.items())],
            "outputs": [asdict(output) for output in self.outputs],
        }

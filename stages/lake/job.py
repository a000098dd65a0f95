"""A run of the pipeline, and one stage's work on one dataset in it: what it reads, what it writes, its manifest."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from stages.errors import ContractError, PreconditionFailed
from stages.lake import keys
from stages.lake.chunks import Bounds, bounds
from stages.lake.ledger import Ledger
from stages.lake.manifests import Manifest, merged, read_manifest
from stages.lake.scope import Scope
from stages.lake.store import ObjectInfo, ObjectStore
from stages.lake.tally import Tally
from stages.logs import counted, human_bytes, log
from stages.settings import Settings

STAGES = ("ingest_raw", "transform_clean", "transform_curated", "model_analytics")
CHUNKED = STAGES[1:3]  # one job may do a chunk of their work


@dataclass(frozen=True)
class Run:
    """What the four stages of a run have in common.

    `take_in_new`: in addition to its dates, the run takes in every landed file that is not yet fully taken in.
    `allow_shrink`: its warehouse may have lost any number of rows.
    `full_refresh`: it fetches the source's whole tables, and builds the warehouse from every curated partition.
    `also`: months that it works on beyond its scope. `chunk`: the part of the run's work that this process does, a
    span of months by dataset; empty: all of it. `began`: when this process took it up, by time.monotonic().
    """

    store: ObjectStore
    settings: Settings
    scope: Scope
    run_id: str
    take_in_new: bool = False
    allow_shrink: bool = False
    full_refresh: bool = False
    also: frozenset[str] = frozenset()
    chunk: Mapping[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Output:
    """One object that a stage leaves in the lake."""

    key: str
    etag: str
    rows: int
    size: int


@dataclass
class Job:
    """One stage's work on one dataset: what it is given, and the record that it builds.

    `months` (YYYY-MM) are those that the run works on in addition to its scope; `files` has the key of each landed file
    by its name as a source, `meanings` what the reasons to reject a row mean.

    A job may do one chunk of the stage's work, that of `span`: the months within `bounds`. The rows of the files in
    `spread` are then partly in other chunks. `chunks` are the spans that ingest_raw cuts the later stages' work into.
    """

    run: Run
    stage: str
    dataset: str
    months: set[str] = field(default_factory=set)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    standing: dict[str, ObjectInfo] = field(default_factory=dict)
    rules: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)
    files: dict[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)
    promised: Manifest = field(default_factory=dict)
    span: str = ""
    bounds: Bounds = field(default_factory=Bounds)
    spread: set[str] = field(default_factory=set)
    chunks: list[str] = field(default_factory=list)
    seconds: float | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(cls, run: Run, stage: str, dataset: str) -> Job:
        """Start a job: an earlier attempt in this run, and the stages after it, no longer count as done."""
        job = cls(run, stage, dataset, span=run.chunk.get(dataset, "") if stage in CHUNKED else "")
        for void in STAGES[STAGES.index(stage) :]:
            job.store.delete(keys.manifest(run.run_id, void, dataset))
            if void in CHUNKED and job.span:
                job.store.delete(keys.manifest(run.run_id, void, dataset, job.span))
            elif void in CHUNKED:
                for info in job.store.list(keys.manifests(run.run_id, void, dataset)):
                    job.store.delete(info.key)
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
        first, _, last = self.span.partition("..")
        return f"{self.stage} {self.dataset} {first if first == last else self.span}".rstrip()

    @property
    def partial(self) -> bool:
        """Whether other chunks do a part of the stage's work on the dataset."""
        return self.bounds != Bounds()

    @property
    def manifest_key(self) -> str:
        """Where the job records what it did."""
        return keys.manifest(self.run.run_id, self.stage, self.dataset, self.span)

    def touches(self, month: str) -> bool:
        """Whether the job works on a month."""
        return (self.scope.touches(month) or month in self.months) and self.bounds.hold(month)

    def claim(self, layer: str, *tables: str) -> None:
        """Note the layer's partitions before the job reads its inputs: it may overwrite and delete those of its months.

        If another run writes one of them after this, `put` fails; those that it adds are left alone by `replace`.
        """
        for table in tables:
            self.standing |= {
                info.key: info for info in self.store.list(keys.layer(layer, table)) if keys.month_of(info.key)
            }

    def follow(self, stage: str) -> None:
        """Read what the previous stage did in this run: the months it worked on, and the outputs it promises.

        Raises ContractError if it has not finished or had another scope, or if the run has no such chunk.
        """
        found = None if self.span else read_manifest(self.store, self.run.run_id, stage, self.dataset)
        if found is None:
            planned = read_manifest(self.store, self.run.run_id, STAGES[0], self.dataset)
            if planned is None:
                raise self._unfinished(STAGES[0])
            if self.span:
                self._take_part(planned)
            found = planned if stage == STAGES[0] else self._of_chunks(stage, planned)
        self.promised = found
        scope = Scope.parse(found["start"], found["end"])
        if scope != self.scope:
            raise ContractError(
                f"{self.what}: {stage} of this run had the scope {scope}, not {self.scope};"
                f" run {stage} of run {self.run.run_id} again"
            )
        self.months = set(found["months"])

    def _take_part(self, planned: Manifest) -> None:
        """Keep to the chunk's months of the plan."""
        spans = planned.get("chunks", [])
        if self.span not in spans:
            raise ContractError(
                f"{self.what}: run {self.run.run_id} has no such chunk; its chunks of {self.dataset} are"
                f" {', '.join(spans) or 'none'}; run {STAGES[0]} again, then the chunks that it gives"
            )
        self.bounds = bounds(spans, self.span)
        sides = defaultdict(set)
        for output in planned["outputs"]:
            sides[keys.part_of(output["key"])].add(self.bounds.hold(keys.month_of(output["key"]) or ""))
        self.spread = {source for source, held in sides.items() if len(held) > 1}

    def _of_chunks(self, stage: str, planned: Manifest) -> Manifest:
        """What a stage did in this job's chunk, or in all chunks."""
        spans = [self.span] if self.span else planned.get("chunks", [])
        done = []
        for span in spans:
            found = read_manifest(self.store, self.run.run_id, stage, self.dataset, span)
            if found is None:
                raise self._unfinished(stage, span)
            done.append(found)
        if not done and planned["outputs"]:
            raise self._unfinished(stage)
        # Without a chunk there was nothing to do: nothing of it is landed.
        return merged(done)[0] if done else planned | {"stage": stage, "outputs": []}

    def finished(self, stage: str) -> bool:
        """Whether every chunk of a stage of this run has finished."""
        planned = read_manifest(self.store, self.run.run_id, STAGES[0], self.dataset)
        return planned is not None and all(
            self.store.head(keys.manifest(self.run.run_id, stage, self.dataset, span)) for span in planned["chunks"]
        )

    def _unfinished(self, stage: str, span: str = "") -> ContractError:
        key = keys.manifest(self.run.run_id, stage, self.dataset, span)
        return ContractError(
            f"{self.what}: {self.store.describe(key)} is missing: {stage} has not finished"
            f"{f' the chunk {self.dataset}:{span}' if span else ''}; run {stage} of run {self.run.run_id} again"
        )

    def require(self, layer: str, tables: Iterable[str]) -> dict[str, ObjectInfo]:
        """The partitions that the previous stage promised; they become this job's inputs.

        Raises ContractError if the lake no longer holds exactly these for the job's months.
        """
        found = {
            info.key: info
            for table in tables
            for info in self.store.list(keys.layer(layer, table))
            if (month := keys.month_of(info.key)) and self.touches(month)
        }
        before = f"{self.promised['stage']} of run {self.run.run_id}"
        wanted = {
            output["key"]: output["etag"]
            for output in self.promised["outputs"]
            if self.bounds.hold(keys.month_of(output["key"]) or "")
        }
        for name in sorted(wanted.keys() | found.keys()):
            if name not in found:
                problem = f"has been deleted since {before} wrote it"
            elif name not in wanted:
                problem = f"was not written by {before}"
            elif found[name].etag != wanted[name]:
                problem = f"has changed since {before} wrote it"
            else:
                continue
            raise ContractError(f"{self.what}: {self.store.describe(name)} {problem}; run {before} again")
        self.inputs = wanted
        return found

    def quarantine(self) -> list[str]:
        """Keys of the rows that this stage rejected in the months in scope."""
        prefix = keys.quarantined(self.stage, self.dataset)
        found = (info.key for info in self.store.list(prefix))
        return [key for key in found if self.touches(key.removeprefix(prefix).removesuffix(".parquet"))]

    def put(self, key: str, data: bytes, rows: int) -> Output:
        """Write a partition over the one that was there; raises PreconditionFailed if another run replaced it."""
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
        """Record `outputs` as this stage's result for its months, and delete the other partitions claimed for them."""
        self.outputs = sorted(outputs, key=lambda output: output.key)
        for key in self.standing.keys() - {output.key for output in self.outputs}:
            now = self.store.head(key) if self.touches(keys.month_of(key) or "") else None
            if now and now.etag == self.standing[key].etag:  # else another run has written it meanwhile
                self.store.delete(key)

    def work_done(self) -> None:
        """Note how long the work took, where other jobs come before `finish`."""
        self.seconds = time.monotonic() - self.started

    def finish(self, ledger: Ledger) -> None:
        """Check the ledger, write the manifest (last of all) and log the summary line."""
        ledger.check(self.what)
        record = self.record(ledger)
        self.store.put(self.manifest_key, json.dumps(record, indent=1).encode())
        for rule, count in self.rules.most_common():
            log.info("%s: rule %s: %s", self.what, rule, counted(count, "row"))
        log.info(
            "%s: rows in %s, out %s, quarantined %s, superseded %s; files %s, bytes %s; %.2f s",
            *(self.what, *(f"{count:,}" for count in asdict(ledger).values()), f"{len(self.outputs):,}"),
            *(human_bytes(record["bytes"]), record["seconds"]),
        )

    def record(self, ledger: Ledger) -> Manifest:
        """The manifest's content: what the job read, wrote and counted so far."""
        start, end = self.scope.start, self.scope.end
        return {
            "run_id": self.run.run_id,
            "stage": self.stage,
            "dataset": self.dataset,
            "start": start.isoformat() if start else None,
            "end": end.isoformat() if end else None,
            "months": sorted(self.months),
            **asdict(ledger),
            "rules": dict(sorted(self.rules.items())),
            "by_file": self.tally.rows(),
            "partial": self.partial,
            "unjudged": [self.tally.only(self.spread).record()] if self.spread else [],
            "chunks": self.chunks,
            "files": len(self.outputs),
            "bytes": sum(output.size for output in self.outputs),
            "started_at": self.started_at.isoformat(),
            "seconds": round(self.seconds or time.monotonic() - self.started, 3),
            "image": self.run.settings.image,
            "code_version": self.run.settings.code_version,
            "inputs": [{"key": key, "etag": etag} for key, etag in sorted(self.inputs.items())],
            "outputs": [asdict(output) for output in self.outputs],
        }

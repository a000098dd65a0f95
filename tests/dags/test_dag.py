"""The DAG: its shape, which dates a run covers, what is retried. Airflow's own dag.test() runs it over stub stages."""

from __future__ import annotations

import ast
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from collisions_ops.errors import OpsError
from collisions_ops.params import KINDS, YEARS, check_conf, params

STAGES = ["ingest_raw", "transform_clean", "transform_curated", "model_analytics"]


def utc(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)


def states(dag_run) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in dag_run.get_task_instances()}


def operator_of(task) -> str:
    return (task.operator_class if task.is_mapped else type(task)).__name__


def arguments_of(task) -> list[str]:
    return task.partial_kwargs["arguments"] if task.is_mapped else task.arguments


def of_chunk(dag_run, task: str, chunk: int = 0):
    """A mapped task's instance."""
    return next(ti for ti in dag_run.get_task_instances() if (ti.task_id, ti.map_index) == (task, chunk))


def test_it_is_the_only_dag_and_parses_quickly(dag):
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(Path(dag.fileloc).parent)
    assert list(bag.dags) == ["collisions_pipeline"]
    assert bag.dagbag_stats[0].duration < timedelta(seconds=2)


def test_tasks_run_in_order(dag):
    assert [task.task_id for task in dag.topological_sort()] == STAGES
    assert [task.is_mapped for task in dag.topological_sort()] == [False, True, True, False]
    clean, curated = (dag.get_task(stage) for stage in STAGES[1:3])
    assert clean.downstream_task_ids == {"transform_curated"}
    assert curated.downstream_task_ids == {"model_analytics"}
    assert not any(task.task_id == "ingest_raw" for task in dag.get_task("model_analytics").upstream_list)


def test_how_it_is_scheduled(dag):
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction

    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    timetable = coerce_to_core_timetable(dag.timetable)
    restriction = TimeRestriction(utc(2024, 3, 9), utc(2024, 3, 12), catchup=True)
    first = timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    second = timetable.next_dagrun_info_v2(last_dagrun_info=first, restriction=restriction)
    # 06:00 in New York, on either side of the change to summer time on 10 March
    assert (first.data_interval.start, first.data_interval.end) == (utc(2024, 3, 9, 11), utc(2024, 3, 10, 10))
    assert (second.data_interval.start, second.data_interval.end) == (utc(2024, 3, 10, 10), utc(2024, 3, 11, 10))


def test_its_description_for_operators(dag):
    assert dag.tags == {"collisions", "nyc", "batch"}
    assert all(task.owner == "data-engineering" for task in dag.tasks)
    for word in ("Rerun", "Backfill", "scheduled", "allow_shrink", "quarantine", "smtp_default", "slack_default"):
        assert word.lower() in dag.doc_md.lower()


def test_every_task_gives_up_in_time_and_retries_with_growing_pauses(dag):
    for task in dag.tasks:
        assert task.execution_timeout == timedelta(hours=1)
        assert (task.retries, task.retry_exponential_backoff) == (4, 2.0)
    assert [task.max_active_tis_per_dag for task in dag.topological_sort()] == [None, None, None, 1]


def test_the_runtime_decides_the_operator_and_nothing_else(dag, monkeypatch):
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.delenv("COLLISIONS_RUNTIME")
    monkeypatch.setenv("COLLISIONS_STAGE_IMAGE", "collisions-stages:test")
    bag = DagBag(Path(dag.fileloc).parent)
    assert bag.import_errors == {}
    pods = bag.dags["collisions_pipeline"]
    assert {operator_of(task) for task in pods.tasks} == {"PodStageOperator"}
    assert {operator_of(task) for task in dag.tasks} == {"LocalStageOperator"}
    for task in dag.tasks:
        pod = pods.get_task(task.task_id)
        assert arguments_of(pod) == arguments_of(task)
        assert (pod.retries, pod.execution_timeout) == (task.retries, task.execution_timeout)


def test_only_ingest_raw_gets_out_and_only_while_a_source_is_on(dag, monkeypatch):
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.delenv("COLLISIONS_RUNTIME")
    monkeypatch.setenv("COLLISIONS_STAGE_IMAGE", "collisions-stages:test")
    chunk = {"chunk": "crashes:2024-07..2024-07"}
    for source, out in (("", []), ("socrata", ["ingest_raw"])):
        monkeypatch.setenv("COLLISIONS_SOURCE", source)
        tasks = DagBag(Path(dag.fileloc).parent).dags["collisions_pipeline"].topological_sort()
        pods = {task.task_id: task.unmap(chunk) if task.is_mapped else task for task in tasks}
        assert [name for name, pod in pods.items() if "source-access" in pod.labels] == out
        assert [name for name, pod in pods.items() if "stage-source" in str(pod.env_from)] == out
        assert [name for name, pod in pods.items() if "COLLISIONS_SOURCE" in str(pod.env_vars)] == out
        assert [name for name, pod in pods.items() if "source-ca" in str(pod.volumes)] == out
        assert [name for name, pod in pods.items() if "/etc/source-ca" in str(pod.volume_mounts)] == out
        assert all({mount.name for mount in pod.volume_mounts} >= {"tmp"} for pod in pods.values())
        assert all(pod.labels["lake-access"] == "true" for pod in pods.values())
        assert all("COLLISIONS_RESULT" in str(pod.env_vars) for pod in pods.values())


def test_an_unknown_runtime_is_an_error_that_names_the_setting(dag, monkeypatch):
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("COLLISIONS_RUNTIME", "Local")
    [error] = DagBag(Path(dag.fileloc).parent).import_errors.values()
    assert "COLLISIONS_RUNTIME is 'Local': set it to local or kubernetes" in error


def test_dags_do_not_import_stages():
    for file in (Path(__file__).parents[2] / "dags").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "stages"], file


@pytest.mark.parametrize(
    "conf",
    [
        {"start": "2024-02-30"},
        {"start": "yesterday"},
        {"end": "2024-1-1"},
        {"end": 20240101},
        {"start": "2024-07-01T00:00:00"},
        {"start": ""},
        {"years": ["2023"]},
        {"years": [23]},
        {"years": [2023, 2023]},
        {"years": 2023},
        {"datasets": ["../raw"]},
        {"full_refresh": "yes"},
    ],
)
def test_a_malformed_param_is_refused_at_the_trigger(dag, conf):
    from airflow.sdk.exceptions import ParamValidationError
    from airflow.serialization.serialized_objects import DagSerialization

    served = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))  # what the API server checks against
    with pytest.raises((ParamValidationError, ValueError), match=rf"Invalid input for param {next(iter(conf))}"):
        served.params.deep_merge(conf).validate()
    with pytest.raises(OpsError, match=rf"param {next(iter(conf))} is .*: it takes "):
        check_conf(json.dumps(conf))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{'years': [2023]}", "is not JSON"),
        ("[2023]", "is not an object of JSON"),
        ('{"dataset": ["crashes"]}', r"no param 'dataset' \(did you mean datasets\?\); it has start, end, years"),
    ],
)
def test_the_embedded_command_refuses_what_is_no_configuration_of_the_dag(text, message):
    with pytest.raises(OpsError, match=message):
        check_conf(text)


def test_the_embedded_command_knows_the_params_of_the_dag(dag):
    assert [*KINDS] == [*dag.params]
    sound = {"start": "2024-02-29", "end": None, "years": [2012, 2099], "datasets": ["crashes"], "allow_shrink": True}
    for name, value in sound.items():
        dag.params.get_param(name).resolve(value)
    check_conf(json.dumps(sound))


def test_the_command_of_every_stage(run, stub):
    dag_run = run({"start": "2024-06-30", "end": "2024-07-07"})
    assert str(dag_run.state) == "success"
    assert stub.calls == [
        [
            stage,
            f"--run-id={dag_run.run_id}",
            "--start=2024-06-30",
            "--end=2024-07-07",
            "--years=",
            "--take-in=dates",
            "--allow-shrink=False",
            "--full-refresh=False",
            *own,
        ]
        for stage, own in zip(STAGES, [["--datasets="], *[["--chunk=crashes:2024-07..2024-07"]] * 2, []], strict=True)
    ]


INTERVAL = (utc(2024, 7, 1, 10), utc(2024, 7, 2, 10))  # 06:00 to 06:00 in New York


@pytest.mark.parametrize(
    ("run_type", "interval", "conf", "scope"),
    [
        pytest.param("scheduled", INTERVAL, None, ("2024-07-01", "2024-07-02", "new"), id="scheduled"),
        pytest.param("backfill", INTERVAL, None, ("2024-07-01", "2024-07-02"), id="backfill"),
        pytest.param(
            "scheduled", INTERVAL, {"start": "2024-01-01"}, ("2024-01-01", ""), id="scheduled, with dates of its own"
        ),
        pytest.param(
            "scheduled",
            (utc(2024, 3, 9, 11), utc(2024, 3, 10, 10)),
            None,
            ("2024-03-09", "2024-03-10", "new"),
            id="summer time begins",
        ),
        pytest.param(
            "scheduled",
            (utc(2024, 11, 2, 10), utc(2024, 11, 3, 11)),
            None,
            ("2024-11-02", "2024-11-03", "new"),
            id="summer time ends",
        ),
        pytest.param(
            "scheduled",
            (utc(2024, 7, 1, 4), utc(2024, 7, 1, 5)),
            None,
            ("2024-07-01", "2024-07-02", "new"),
            id="an interval of an hour",
        ),
        pytest.param(
            "scheduled",
            (utc(2024, 7, 2, 3), utc(2024, 7, 2, 4)),
            None,
            ("2024-07-01", "2024-07-02", "new"),
            id="an hour that ends at midnight",
        ),
        pytest.param(
            "backfill",
            INTERVAL,
            {"start": "2024-07-01", "end": "2024-07-02"},
            ("2024-07-01", "2024-07-02"),
            id="backfill's own dates win",
        ),
        pytest.param("manual", INTERVAL, None, ("", ""), id="manual, everything"),
        pytest.param("manual", None, None, ("", ""), id="manual without a logical date"),
        pytest.param(
            "manual",
            None,
            {"start": "2024-01-01", "end": "2024-02-01"},
            ("2024-01-01", "2024-02-01"),
            id="manual with both dates",
        ),
        pytest.param("manual", INTERVAL, {"start": "2024-01-01"}, ("2024-01-01", ""), id="manual, open end"),
        pytest.param("manual", INTERVAL, {"end": "2024-01-01"}, ("", "2024-01-01"), id="manual, open start"),
        pytest.param("operator_triggered", INTERVAL, None, ("", ""), id="triggered by another DAG"),
    ],
)
def test_which_dates_a_run_covers(run, stub, run_type, interval, conf, scope):
    dag_run = run(conf, run_type, interval)
    assert str(dag_run.state) == "success"
    start, end, take_in = (*scope, "dates")[:3]
    said = {(call[2], call[3], call[5]) for call in stub.calls}
    assert said == {(f"--start={start}", f"--end={end}", f"--take-in={take_in}")}


@pytest.mark.parametrize(
    ("conf", "stage", "argument"),
    [
        ({"allow_shrink": True}, "model_analytics", "--allow-shrink=True"),
        ({"full_refresh": True}, "model_analytics", "--full-refresh=True"),
        ({"years": [2024, 2023]}, "ingest_raw", "--years=2023,2024"),
        ({"datasets": ["persons", "crashes"]}, "ingest_raw", "--datasets=persons,crashes"),
    ],
)
def test_what_the_params_become(run, stub, conf, stage, argument):
    run(conf)
    assert argument in next(call for call in stub.calls if call[0] == stage)


def test_the_commands_take_the_params_that_the_dag_takes(dag):
    years = dag.params.get_param("years").schema["items"]
    assert (years["minimum"], years["maximum"]) == (YEARS[0], YEARS[-1])
    for given in (
        params(years=f"{YEARS[-1]},{YEARS[0]},2022,2022", datasets="persons,crashes"),
        params(date(2022, 1, 1), date(2022, 2, 1), allow_shrink=True),
    ):
        for name, value in given.items():
            dag.params.get_param(name).resolve(value)


@pytest.mark.parametrize("conf", [{"start": "2023-01-01"}, {"end": "2023-01-01"}])
def test_years_and_dates_fail_at_once(run, stub, capfd, conf):
    dag_run = run({"years": [2022], **conf})
    assert states(dag_run) == {"ingest_raw": "failed"} | dict.fromkeys(STAGES[1:], "upstream_failed")
    assert stub.calls == []
    assert "give the years or the dates, not both" in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"startt": "2025-01-01"}, "There is no param 'startt' (did you mean start?); there are: "),
        ({"dataset": ["crashes"], "x": 1}, "There is no param 'dataset' (did you mean datasets?), 'x'; there are: "),
    ],
)
@pytest.mark.parametrize(("run_type", "interval"), [("manual", None), ("backfill", INTERVAL)])
def test_a_param_that_the_dag_does_not_have_fails_at_once(run, stub, capfd, conf, said, run_type, interval):
    dag_run = run(conf, run_type, interval)
    assert states(dag_run) == {"ingest_raw": "failed"} | dict.fromkeys(STAGES[1:], "upstream_failed")
    assert dag_run.get_task_instance("ingest_raw").try_number == 1
    assert stub.calls == []
    assert f"{said}start, end, years, datasets, full_refresh, allow_shrink" in "".join(capfd.readouterr())


def test_every_param_is_described_in_the_form(dag):
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.schema["title"]
        assert param.description.endswith(".")


@pytest.mark.parametrize("end", ["2024-07-01", "2024-06-30"])
def test_impossible_dates_fail_at_once(run, stub, capfd, end):
    dag_run = run({"start": "2024-07-01", "end": end}, "scheduled", INTERVAL)
    assert states(dag_run) == {"ingest_raw": "failed"} | dict.fromkeys(STAGES[1:], "upstream_failed")
    assert dag_run.get_task_instance("ingest_raw").try_number == 1
    assert stub.calls == []
    assert "param start must be before end" in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "script", ["exit 75", "kill -9 $$", "kill -15 $$", "exit 137"], ids=["transient", "SIGKILL", "SIGTERM", "137"]
)
def test_a_transient_fault_and_a_killed_stage_are_retried(run, stub, script):
    stub.plan(transform_clean=[script, script, "exit 0"])
    dag_run = run()
    assert str(dag_run.state) == "success"
    assert stub.started == ["ingest_raw", *["transform_clean"] * 3, "transform_curated", "model_analytics"]
    assert of_chunk(dag_run, "transform_clean").try_number == 3


@pytest.mark.parametrize("code", [65, 78, 70, 1, 2])
def test_any_other_failure_is_not_retried(run, stub, code):
    stub.plan(transform_clean=[f"exit {code}", "exit 0"])
    dag_run = run()
    assert str(dag_run.state) == "failed"
    assert stub.started == ["ingest_raw", "transform_clean"]
    assert states(dag_run)["transform_curated"] == "upstream_failed"


def test_retries_come_to_an_end(dag, run, stub):
    for task in dag.tasks:
        task.retries = 1
    stub.plan(ingest_raw=["exit 75"])
    assert str(run().state) == "failed"
    assert stub.started == ["ingest_raw", "ingest_raw"]


def test_one_task_can_be_cleared_and_run_again(dag, run, stub):
    dag_run = run(None, "scheduled", INTERVAL)
    first = stub.calls
    from airflow.sdk.definitions.dag import _run_task
    from airflow.utils.session import create_session

    with create_session() as session:
        ti = dag_run.get_task_instance("transform_curated", session=session, map_index=0)
        ti.clear_db_references(session)
        ti.state, ti.try_number = "scheduled", ti.try_number + 1
    _run_task(ti=ti, task=dag.get_task("transform_curated"))
    assert of_chunk(dag_run, "transform_curated").state == "success"
    assert stub.calls == [*first, first[2]]


CHUNKS = ["crashes:2019-01..2020-06", "crashes:2020-07..2020-07,persons:2020-07..2020-07"]


def test_the_transforms_run_once_for_each_chunk_and_are_named_by_it(run, stub):
    stub.chunks(*CHUNKS)
    dag_run = run()
    assert stub.started == ["ingest_raw", *["transform_clean"] * 2, *["transform_curated"] * 2, "model_analytics"]
    for calls in (stub.calls[1:3], stub.calls[3:5]):  # in any order
        assert sorted(call[-1] for call in calls) == [f"--chunk={chunk}" for chunk in sorted(CHUNKS)]
    names = [of_chunk(dag_run, stage, at).rendered_map_index for stage in STAGES[1:3] for at in (0, 1)]
    assert names == ["crashes 2019-01…2020-06", "crashes, persons 2020-07"] * 2


def test_a_chunk_that_fails_lets_the_others_end_and_nothing_is_published(run, stub):
    stub.chunks(*CHUNKS)
    stub.plan(**{f"transform_clean {CHUNKS[0]}": ["exit 65"]})
    dag_run = run()
    assert str(dag_run.state) == "failed"
    assert [str(of_chunk(dag_run, "transform_clean", at).state) for at in (0, 1)] == ["failed", "success"]
    assert str(dag_run.get_task_instance("model_analytics").state) == "upstream_failed"
    assert "transform_curated" not in stub.started


def test_a_chunk_is_retried_alone(run, stub):
    stub.chunks(*CHUNKS)
    stub.plan(**{f"transform_clean {CHUNKS[1]}": ["exit 75", "exit 0"]})
    dag_run = run()
    assert str(dag_run.state) == "success"
    assert [of_chunk(dag_run, "transform_clean", at).try_number for at in (0, 1)] == [1, 2]


@pytest.mark.parametrize(("setting", "chunks"), [("", 2), ("3", 3)])
def test_how_many_chunks_are_worked_on_at_once_is_a_setting(dag, monkeypatch, setting, chunks):
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("COLLISIONS_FAN_OUT", setting)
    found = DagBag(Path(dag.fileloc).parent).dags["collisions_pipeline"]
    limits = [task.max_active_tis_per_dagrun for task in found.topological_sort()]
    assert limits == [None, chunks, chunks, None]


def test_an_impossible_fan_out_is_an_error_that_names_the_setting(dag, monkeypatch):
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("COLLISIONS_FAN_OUT", "0")
    [error] = DagBag(Path(dag.fileloc).parent).import_errors.values()
    assert "COLLISIONS_FAN_OUT is '0': set it to a whole number from 1" in error


def test_as_many_pods_as_are_started_at_once_fit_into_the_quota():
    import yaml
    from dag_collisions_pipeline import FAN_OUT

    quota, limits = yaml.safe_load_all((Path(__file__).parents[2] / "k8s/limits.yaml").read_text())
    [container] = limits["spec"]["limits"]
    for resource, of in (("limits.cpu", "cpu"), ("limits.memory", "memory")):
        room = int(quota["spec"]["hard"][resource].removesuffix("Gi"))
        assert FAN_OUT["kubernetes"] * int(container["max"][of].removesuffix("Gi")) < room  # MinIO runs there too


def test_the_published_warehouse_updates_an_asset_that_other_dags_can_follow(run, stub, dag):
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    dag_run = run()
    with create_session() as session:
        events = session.query(AssetEvent).filter_by(source_dag_id=dag.dag_id, source_run_id=dag_run.run_id).all()
        assert [(event.asset.name, event.source_task_id, event.extra) for event in events] == [
            (
                "collisions_warehouse",
                "model_analytics",
                {"run": "r", "rows": {"crashes": 3}, "newest_date": "2024-07-01"},
            )
        ]


def test_publishers_are_limited_across_backfills():
    """Airflow counts max_active_tis_per_dag by DAG and task, over runs of every type; an upgrade may change that."""
    import inspect

    from airflow.jobs.scheduler_job_runner import ConcurrencyMap

    source = inspect.getsource(ConcurrencyMap.load)
    assert "self.task_concurrency_map[(dag_id, task_id)] += count" in source
    assert "run_type" not in source

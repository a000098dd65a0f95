"""What the stage operator relies on in the Kubernetes provider beyond its public interface."""

from __future__ import annotations

import inspect
import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodManager, PodPhase
from airflow.sdk.exceptions import AirflowException
from collisions_operators.pod import LINE_ENDS, PodStageOperator, StagePodManager
from kubernetes.client import ApiClient, ApiException
from kubernetes.client import models as k8s

OVERRIDDEN = {
    PodManager: (
        StagePodManager,
        ["run_pod_async", "container_is_running", "read_pod", "read_pod_logs", "_log_message"],
    ),
    KubernetesPodOperator: (
        PodStageOperator,
        ["execute_sync", "pod_manager", "build_pod_request_obj", "get_or_create_pod"],
    ),
}
CALLED = {
    PodManager: ["delete_pod", "create_pod"],
    KubernetesPodOperator: [
        "build_pod_request_obj",
        "_build_find_pod_label_selector",
        "await_pod_start",
        "await_pod_completion",
        "patch_already_checked",
        "_read_pod_events",
        "_read_pod_container_states",
    ],
}


@pytest.mark.parametrize(
    ("provider", "name"), [(kind, name) for kind, (_, names) in OVERRIDDEN.items() for name in names]
)
def test_what_is_overridden_is_there_in_the_provider(provider: type, name: str) -> None:
    """On an upgrade: does the provider still call it, and does the override still do what its docstring says?"""
    assert hasattr(provider, name), f"{provider.__name__}.{name} is gone: see dags/collisions_operators/pod.py"
    assert name in vars(OVERRIDDEN[provider][0])


@pytest.mark.parametrize(("provider", "name"), [(kind, name) for kind, names in CALLED.items() for name in names])
def test_what_is_called_is_there_in_the_provider(provider: type, name: str) -> None:
    assert callable(getattr(provider, name, None)), f"{provider.__name__}.{name} is gone: see pod.py"


def test_the_operator_knows_whether_it_was_killed() -> None:
    """`_killed` is set by on_kill(), and tells a killed task from one that is done."""
    assert "self._killed = True" in inspect.getsource(KubernetesPodOperator.on_kill)
    assert PodPhase.terminal_states == {PodPhase.SUCCEEDED, PodPhase.FAILED}
    assert KubernetesPodOperator.BASE_CONTAINER_NAME == "base"


# --- which pod is the task's ----------------------------------------------------------------------------


class FakeKubernetes:
    """The pods of a namespace, and of the API the calls that the operator makes to find or make its own."""

    def __init__(self, *pods: k8s.V1Pod) -> None:
        self.pods, self.selectors = list(pods), list[str]()
        self.api_client = ApiClient()

    def list_namespaced_pod(self, namespace: str, label_selector: str) -> k8s.V1PodList:
        self.selectors.append(label_selector)
        return k8s.V1PodList(items=self.pods)

    def read_namespaced_pod(self, name: str, namespace: str) -> k8s.V1Pod:
        return next(pod for pod in self.pods if pod.metadata.name == name)

    def create_namespaced_pod(self, body: dict[str, Any], namespace: str, **_: Any) -> k8s.V1Pod:
        self.pods.append(made := pod(body["metadata"]["name"], "made"))
        return made

    def delete_namespaced_pod(self, name: str, namespace: str, **_: Any) -> None:
        self.pods = [pod for pod in self.pods if pod.metadata.name != name]


def pod(name: str, uid: str, phase: str = "Running") -> k8s.V1Pod:
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(name=name, uid=uid, namespace="collisions"), status=k8s.V1PodStatus(phase=phase)
    )


def chosen(kubernetes: FakeKubernetes, store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> k8s.V1Pod:
    """The pod that a try of a mapped task works with."""
    monkeypatch.setenv("COLLISIONS_STAGE_IMAGE", "stages:test")
    operator = PodStageOperator(task_id="transform_clean", arguments=[], chunk="crashes")
    operator.__dict__["client"] = kubernetes
    ti = SimpleNamespace(dag_id="d", task_id="transform_clean", map_index=1, try_number=2)
    remembered = SimpleNamespace(get=store.get, set=store.__setitem__)
    context = {"ti": ti, "run_id": "r", "dag": None, "task_state_store": remembered}
    return operator.get_or_create_pod(pod("new", ""), context)


def test_a_pod_that_an_earlier_try_made_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    kubernetes = FakeKubernetes(pod("a", "1"), pod("b", "2"))
    assert chosen(kubernetes, {"pod_uid": "2"}, monkeypatch).metadata.name == "b"
    [selector] = kubernetes.selectors
    assert (
        "dag_id=d,kubernetes_pod_operator=True,lake-access=true,map_index=1,run_id=r,task_id=transform_clean"
        in selector
    )


def test_a_pod_of_the_same_name_and_labels_is_neither_taken_over_nor_touched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kubernetes, store = FakeKubernetes(pod("a", "another")), {"pod_uid": "ours"}
    assert chosen(kubernetes, store, monkeypatch).metadata.uid == "made"
    assert store == {"pod_uid": "made"}
    assert [it.metadata.name for it in kubernetes.pods] == ["a", "new"]


def test_a_pod_that_succeeded_unwatched_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    kubernetes = FakeKubernetes(pod("a", "1", "Succeeded"))
    assert chosen(kubernetes, {"pod_uid": "1"}, monkeypatch).metadata.uid == "made"
    assert [it.metadata.name for it in kubernetes.pods] == ["new"]


def test_a_pod_that_was_replaced_by_another_of_its_name_counts_as_gone() -> None:
    manager = StagePodManager(kube_client=FakeKubernetes(pod("a", "another")))
    assert manager.read_pod(pod("a", "another")).metadata.uid == "another"
    with pytest.raises(ApiException, match="another one by now") as gone:
        manager.read_pod(pod("a", "ours"))
    assert gone.value.status == 404


def test_after_a_broken_log_stream_each_line_is_told_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"2026-11-26T06:00:00.{n:09}Z INFO: {text}\n".encode() for n, text in enumerate("abcbd")]
    streams = [[*lines[:3], b""], lines[1:]]  # asked again for the last second
    monkeypatch.setattr(PodManager, "read_pod_logs", lambda *_, **__: iter(streams.pop(0)))
    manager = StagePodManager(kube_client=FakeKubernetes())
    told = [line for _ in range(2) for line in manager.read_pod_logs(pod("a", "ours"), "base")]
    assert told[::2] == lines
    assert {line.split(b" ")[1] for line in told[1::2]} == {f"{LINE_ENDS}\n".encode()}


def test_only_so_many_lines_of_a_log_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collisions_operators.pod.TOLD_LINES", 2)
    monkeypatch.setattr(PodManager, "read_pod_logs", lambda *_, **__: iter([b"1 a", b"2 b", b"3 c", b"2 b", b"1 a"]))
    told = list(StagePodManager(kube_client=FakeKubernetes()).read_pod_logs(pod("a", "ours"), "base"))
    assert told[::2] == [b"1 a", b"2 b", b"3 c", b"1 a"]


# --- a pod for which the quota has no room --------------------------------------------------------------


class FullKubernetes(FakeKubernetes):
    """Refuses pods: with this status and message, so many times."""

    def __init__(self, times: int, status: int, message: str) -> None:
        super().__init__()
        self.times, self.status, self.message = times, status, message

    def create_namespaced_pod(self, body: dict[str, Any], namespace: str, **others: Any) -> k8s.V1Pod:
        if not self.times:
            return super().create_namespaced_pod(body, namespace, **others)
        self.times -= 1
        refused = ApiException(self.status, "Forbidden")
        refused.body = json.dumps({"message": self.message})
        raise refused


OVER = "pods new is forbidden: exceeded quota: quota, used: limits.memory=9Gi"


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)


def test_a_pod_waits_for_room_in_the_quota(no_pause: None, capsys: pytest.CaptureFixture[str]) -> None:
    kubernetes = FullKubernetes(3, 403, OVER)
    StagePodManager(kube_client=kubernetes).create_pod(pod("new", ""))
    assert [it.metadata.name for it in kubernetes.pods] == ["new"]
    assert capsys.readouterr().out.count("waiting for other pods to end") == 1


def test_a_quota_that_stays_full_is_named(no_pause: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collisions_operators.pod.QUOTA_SECONDS", 0)
    with pytest.raises(AirflowException, match=r"within 0 s .*: pods new is forbidden: exceeded quota"):
        StagePodManager(kube_client=FullKubernetes(1, 403, OVER)).create_pod(pod("new", ""))


def test_another_refusal_is_not_waited_for(no_pause: None) -> None:
    kubernetes = FullKubernetes(1, 403, "pods is forbidden: no rights")
    with pytest.raises(ApiException, match="Forbidden"):
        StagePodManager(kube_client=kubernetes).create_pod(pod("new", ""))
    assert not kubernetes.times


def test_a_pod_has_no_sidecar_and_its_status_has_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLISIONS_STAGE_IMAGE", "stages:test")
    operator = PodStageOperator(task_id="ingest_raw", arguments=["ingest_raw"])
    operator.__dict__["hook"] = SimpleNamespace(is_in_cluster=True)  # a cluster of which there is no need here
    made = operator.build_pod_request_obj()
    assert [container.name for container in made.spec.containers] == ["base"]
    assert operator.do_xcom_push
    ended = k8s.V1ContainerStateTerminated(exit_code=0, message='["crashes"]')
    status = k8s.V1ContainerStatus(
        name="base", image="", image_id="", ready=False, restart_count=0, state=k8s.V1ContainerState(terminated=ended)
    )
    made.status = k8s.V1PodStatus(container_statuses=[status])
    assert operator._result(made) == ["crashes"]

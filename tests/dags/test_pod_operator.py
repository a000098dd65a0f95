"""What the stage operator relies on in the Kubernetes provider beyond its public interface."""

from __future__ import annotations

import inspect

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodManager, PodPhase
from collisions_operators.pod import PodStageOperator, StagePodManager

OVERRIDDEN = {
    PodManager: (StagePodManager, ["container_is_running", "read_pod", "read_pod_logs", "_log_message"]),
    KubernetesPodOperator: (PodStageOperator, ["execute_sync", "pod_manager"]),
}
CALLED = {
    PodManager: ["delete_pod"],
    KubernetesPodOperator: [
        "build_pod_request_obj",
        "get_or_create_pod",
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

"""Failed stage pods are removed after some days, by the tasks themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from collisions_operators.kept_pods import KEEP_DAYS, remove_old_failed_pods
from kubernetes.client import ApiException
from kubernetes.client import models as k8s

NOW = datetime(2033, 5, 18, tzinfo=UTC)


def pod(name: str, made_days_ago: float, ended_days_ago: float | None) -> k8s.V1Pod:
    """A failed pod; with None no container of it ever ran."""
    statuses = []
    if ended_days_ago is not None:
        end = k8s.V1ContainerStateTerminated(exit_code=1, finished_at=NOW - timedelta(days=ended_days_ago))
        state = k8s.V1ContainerState(terminated=end)
        statuses = [
            k8s.V1ContainerStatus(name="base", state=state, ready=False, restart_count=0, image="i", image_id="i")
        ]
    made = NOW - timedelta(days=made_days_ago)
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(name=name, creation_timestamp=made),
        status=k8s.V1PodStatus(container_statuses=statuses),
    )


class Kubernetes:
    """A Kubernetes with failed pods; `error` is what it answers to each deletion."""

    def __init__(self, *pods: k8s.V1Pod, error: ApiException | None = None) -> None:
        self.pods, self.error = pods, error
        self.asked: dict[str, Any] = {}
        self.deleted: list[str] = []

    def list_namespaced_pod(self, namespace: str, **asked: str) -> SimpleNamespace:
        self.asked = {"namespace": namespace, **asked}
        return SimpleNamespace(items=list(self.pods))

    def delete_namespaced_pod(self, name: str, namespace: str) -> None:
        if self.error:
            raise self.error
        self.deleted.append(f"{namespace}/{name}")


def test_only_pods_that_failed_long_ago_are_removed() -> None:
    kubernetes = Kubernetes(
        pod("old", KEEP_DAYS + 2, KEEP_DAYS + 1),
        pod("ran-for-long", KEEP_DAYS + 2, KEEP_DAYS - 1),
        pod("never-ran", KEEP_DAYS + 1, None),
        pod("new", 1, 1),
    )
    assert remove_old_failed_pods(kubernetes, "collisions", NOW) == ["old", "never-ran"]
    assert kubernetes.deleted == ["collisions/old", "collisions/never-ran"]
    assert kubernetes.asked == {
        "namespace": "collisions",
        "label_selector": "app=stage",
        "field_selector": "status.phase=Failed",
    }


@pytest.mark.parametrize(("status", "warned"), [(404, False), (403, True), (500, True)])
def test_a_task_does_not_fail_for_an_old_pod(caplog: pytest.LogCaptureFixture, status: int, warned: bool) -> None:
    kubernetes = Kubernetes(pod("old", 30, 30), error=ApiException(status=status, reason="no"))
    assert remove_old_failed_pods(kubernetes, "collisions", NOW) == []
    assert ("Could not remove old failed pods" in caplog.text) is warned

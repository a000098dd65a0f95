"""Failed stage pods are kept to be looked at, but not for ever."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from kubernetes.client import ApiException, CoreV1Api
from kubernetes.client import models as k8s

KEEP_DAYS = 7  # a failure of Friday can still be looked at after a week's holiday; the task's log stays for longer
SELECTOR = {"label_selector": "app=stage", "field_selector": "status.phase=Failed"}
LOG = logging.getLogger(__name__)


def remove_old_failed_pods(client: CoreV1Api, namespace: str, now: datetime) -> list[str]:
    """Delete the stage pods that failed more than KEEP_DAYS before `now` (with a time zone); returns their names.

    Only housekeeping: where Kubernetes does not answer or refuses, a warning is logged, and the next task tries again.
    """
    removed = []
    try:
        for pod in client.list_namespaced_pod(namespace, **SELECTOR).items:
            if ended_at(pod) < now - timedelta(days=KEEP_DAYS):
                client.delete_namespaced_pod(pod.metadata.name, namespace)
                removed.append(pod.metadata.name)
    except ApiException as error:
        if error.status != 404:  # two tasks did this at once
            LOG.warning("Could not remove old failed pods: %s %s", error.status, error.reason)
    return removed


def ended_at(pod: k8s.V1Pod) -> datetime:
    """When a pod's last container ended; when it was made, where none ever ran."""
    ends: list[datetime] = [
        container.state.terminated.finished_at
        for container in pod.status.container_statuses or []
        if container.state and container.state.terminated and container.state.terminated.finished_at
    ]
    made: datetime = pod.metadata.creation_timestamp
    return max(ends, default=made)

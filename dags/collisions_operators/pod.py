"""The stage operator on Kubernetes: a stage is a pod. The cluster's defaults are here, once, each with its reason."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import tenacity
from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import KubernetesApiException
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodManager, PodPhase
from airflow.sdk.exceptions import AirflowException
from kubernetes import watch
from kubernetes.client import ApiException
from kubernetes.client import models as k8s
from urllib3.exceptions import HTTPError

from collisions_operators import hand_on, raise_for_exit, split_level
from collisions_operators.kept_pods import remove_old_failed_pods

if TYPE_CHECKING:
    from airflow.sdk import Context

STAGE_LOG = logging.getLogger(f"{__name__}.stage")  # the stage's own lines, apart from the provider's
UID_KEY = "pod_uid"  # in the task's own store, which outlives a try
LINE_ENDS = "\0"  # no stage prints that
TOLD_LINES = 20_000  # of a log that are remembered: more than a stage prints in the seconds that may come twice
NAMESPACE = "collisions"
TMP_SIZE = "6Gi"  # the largest landing file and the warehouse while it is built, on the node's disk
# A stage may be killed at any moment, because each object it writes is one PUT: no need to wait for a pod that must go.
GRACE_SECONDS = 2
# A container's log ends up to a second before its status says so. A status that lags longer: a broken log stream.
STATUS_LAG_SECONDS = 5
WATCH_SECONDS = 60  # a watch that has broken unnoticed costs little more
QUOTA_SECONDS = 600  # another run's chunks may fill the namespace's quota; beyond that it is too small
API_AWAY_SECONDS = 120  # the Kubernetes API may be restarting; the stage runs on meanwhile


def cluster_defaults() -> dict[str, Any]:
    """What every stage pod has in common."""
    image = os.environ.get("COLLISIONS_STAGE_IMAGE")
    if not image:
        raise AirflowException("COLLISIONS_STAGE_IMAGE is not set: dags/Dockerfile bakes it into Airflow's image")
    return {
        "kubernetes_conn_id": None,  # the pod's own ServiceAccount; no connection to look up
        "in_cluster": True,
        "namespace": NAMESPACE,
        "image": image,
        "image_pull_policy": "IfNotPresent",  # the tag names one content
        # Settings and credentials by reference, so that they are in no pod's spec, no log and not in the UI.
        "env_from": [
            k8s.V1EnvFromSource(config_map_ref=k8s.V1ConfigMapEnvSource(name="stage-settings")),
            k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name="stage-store")),
        ],
        # A stage's result goes into the pod's status, from where the operator takes it: no sidecar. A failed one leaves
        # it empty, so that the log's last lines come there.
        "env_vars": {"COLLISIONS_RESULT": "/dev/termination-log"},
        "do_xcom_push": True,
        "labels": {"app": "stage", "lake-access": "true"},  # the latter opens the way to MinIO (k8s/network.yaml)
        "service_account_name": "stage",  # one without rights
        "automount_service_account_token": False,
        "container_resources": k8s.V1ResourceRequirements(
            requests={"cpu": "200m", "memory": "512Mi"},  # a daily run
            limits={"cpu": "2", "memory": "2Gi"},  # a full refresh stays under 1.5 Gi
        ),
        # What Pod Security "restricted" asks, and a root file system that nobody can write to.
        "security_context": k8s.V1PodSecurityContext(
            run_as_non_root=True, seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault")
        ),
        "container_security_context": k8s.V1SecurityContext(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=k8s.V1Capabilities(drop=["ALL"]),
        ),
        "volumes": [k8s.V1Volume(name="tmp", empty_dir=k8s.V1EmptyDirVolumeSource(size_limit=TMP_SIZE))],
        "volume_mounts": [k8s.V1VolumeMount(name="tmp", mount_path="/tmp")],  # noqa: S108 the one writable folder
        "termination_grace_period": GRACE_SECONDS,
        "termination_message_policy": "FallbackToLogsOnError",  # the stage's last lines become Airflow's error
        "schedule_timeout_seconds": 300,  # waiting for room on the node
        "startup_timeout_seconds": 120,
        "startup_check_interval_seconds": 0.2,  # default 5 s; most of a short task would be this wait
        "log_events_on_startup": False,  # reads every event of the namespace at each check
        "on_finish_action": "delete_succeeded_pod",  # one that failed unwatched is kept to be seen, not replaced
        "deferrable": False,  # a triggerer would cost more than the task process that waits
    }


def source_access() -> dict[str, Any]:
    """What ingest_raw's pod has beside the defaults while a source is switched on (COLLISIONS_SOURCE of Airflow's own
    environment): the setting, the way out (k8s/network.yaml), the Secret `stage-source`, and the certificates of the
    ConfigMap `source-ca`; neither need exist.
    """
    source = os.environ.get("COLLISIONS_SOURCE")
    if not source:
        return {}
    defaults = cluster_defaults()
    access = k8s.V1SecretEnvSource(name="stage-source", optional=True)  # the app token, a proxy
    return {
        "labels": {**defaults["labels"], "source-access": "true"},
        "env_vars": {**defaults["env_vars"], "COLLISIONS_SOURCE": source},
        "env_from": [*defaults["env_from"], k8s.V1EnvFromSource(secret_ref=access)],
        "volumes": [
            *defaults["volumes"],
            k8s.V1Volume(name="ca", config_map=k8s.V1ConfigMapVolumeSource(name="source-ca", optional=True)),
        ],
        "volume_mounts": [*defaults["volume_mounts"], k8s.V1VolumeMount(name="ca", mount_path="/etc/source-ca")],
    }


def has_ended(pod: k8s.V1Pod) -> bool:
    """Whether the pod has ended as a whole, with its final status."""
    return pod.status.phase in PodPhase.terminal_states


def ended_well(pod: k8s.V1Pod) -> bool:
    """Whether the stage has ended with 0: its container says so more than a second before the pod's phase does."""
    return pod.status.phase == PodPhase.SUCCEEDED or any(end.exit_code == 0 for end in container_ends(pod))


def container_ends(pod: k8s.V1Pod) -> list[k8s.V1ContainerStateTerminated]:
    """How the stage's container ended; empty while it runs, or where it never ran."""
    stage = [it for it in pod.status.container_statuses or [] if it.name == KubernetesPodOperator.BASE_CONTAINER_NAME]
    states = [container.state for container in stage]
    return [state.terminated for state in states if state and state.terminated]


def is_over_quota(error: BaseException) -> bool:
    """Whether the namespace's quota has no room for a pod at the moment."""
    return isinstance(error, ApiException) and error.status == 403 and "exceeded quota" in (error.body or "")


class StagePodManager(PodManager):
    """The provider's, with log lines at the stage's own level and without the fixed sleeps at a pod's end.

    What it overrides is not the provider's public interface: tests/dags/test_pod_operator.py pins the names.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._told: dict[bytes, None] = {}  # the last lines of the log, the oldest first

    def run_pod_async(self, pod: k8s.V1Pod, **kwargs: Any) -> k8s.V1Pod:
        """Create the pod, once the quota has room: a pod whose stage has ended, and whose task is over, counts until it
        is gone. The provider would fail, and log the whole pod with the answer's HTTP headers.
        """
        body = self._client.api_client.sanitize_for_serialization(pod)
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_over_quota),
            stop=tenacity.stop_after_delay(QUOTA_SECONDS),
            wait=tenacity.wait_fixed(1),
            before_sleep=self._say_it_waits,
            reraise=True,
        )
        try:
            return attempts(self._client.create_namespaced_pod, body=body, namespace=pod.metadata.namespace, **kwargs)
        except ApiException as error:
            if not is_over_quota(error):
                raise
            message = json.loads(error.body)["message"]
            raise AirflowException(
                f"no room for the pod within {QUOTA_SECONDS} s (k8s/limits.yaml): {message}"
            ) from None

    def _say_it_waits(self, state: tenacity.RetryCallState) -> None:
        if state.attempt_number == 1:
            self.log.info("The namespace's quota has no room at the moment: waiting for other pods to end")

    def container_is_running(self, pod: k8s.V1Pod, container_name: str) -> bool:
        """Asked when the log stream has ended; the provider would look too early and sleep for a second.

        The sleep came with https://github.com/apache/airflow/pull/19572 and cannot be configured.
        """
        self.watch(pod, lambda now: has_ended(now) or bool(container_ends(now)), STATUS_LAG_SECONDS)
        return super().container_is_running(pod, container_name)

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(KubernetesApiException),  # no answer at all
        stop=tenacity.stop_after_delay(API_AWAY_SECONDS),
        wait=tenacity.wait_fixed(1),
        reraise=True,
    )
    def read_pod(self, pod: k8s.V1Pod) -> k8s.V1Pod:
        """The pod as it is now; the provider would give up at once where the API server does not answer.

        https://github.com/apache/airflow/issues/59626, https://github.com/apache/airflow/issues/19698
        """
        now = super().read_pod(pod)
        if pod.metadata.uid and now.metadata.uid != pod.metadata.uid:  # https://github.com/apache/airflow/issues/71743
            raise ApiException(404, f"pod {pod.metadata.name} is another one by now, of the same name")
        return now

    def await_end(self, pod: k8s.V1Pod) -> k8s.V1Pod:
        """The pod once its stage has ended with 0 or it has failed as a whole; ApiException 404 once it is gone."""

        def is_over(now: k8s.V1Pod) -> bool:
            return ended_well(now) or has_ended(now)

        while not is_over(now := self.read_pod(pod)):
            self.watch(pod, is_over, WATCH_SECONDS)
        return now

    def watch(self, pod: k8s.V1Pod, reached: Callable[[k8s.V1Pod], bool], seconds: int) -> None:
        """Return as soon as the pod has reached that or is gone, after about these seconds at the latest.

        A watch that breaks off returns too: whoever waits reads the pod afterwards in any case.
        """
        events = watch.Watch().stream(
            self._client.list_namespaced_pod,
            pod.metadata.namespace,
            field_selector=f"metadata.name={pod.metadata.name}",
            timeout_seconds=seconds,  # the server's; a connection that has gone silent needs one of ours
            _request_timeout=(5, seconds + 5),
        )
        try:
            for event in events:  # the first one is the pod as it is now
                if event["type"] == "DELETED" or reached(event["object"]):
                    return
        except (HTTPError, ApiException) as error:
            reason = error.reason if isinstance(error, ApiException) else error  # not the HTTP headers
            self.log.warning("The watch of pod %s broke off: %s", pod.metadata.name, reason)

    def read_pod_logs(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        """The log's lines, each once, and followed by a marker of ours: the provider logs a line only once the next has
        come, which is how it puts lines of one timestamp together (provider 10.25); no upstream issue is known.

        After a stream that broke off it asks again for what came in a second or two before. A line carries its
        timestamp, to the nanosecond, so the same line is known.
        """
        for line in super().read_pod_logs(*args, **kwargs):
            if not line or line in self._told:  # the stream's end comes as a line too
                continue
            self._told[line] = None
            if len(self._told) > TOLD_LINES:
                del self._told[next(iter(self._told))]
            yield line
            yield line.partition(b" ")[0] + f" {LINE_ENDS}\n".encode()

    def _log_message(self, message: str, *_: Any) -> None:
        if message != LINE_ENDS:
            STAGE_LOG.log(*split_level(message.rstrip()))


class PodStageOperator(KubernetesPodOperator):
    """
    Run `python -m stages <arguments>` in a pod and end as the stage did.

    A stage's exit code decides whether Airflow tries again. A task that Airflow stopped never counts as done. A failed
    pod is kept for inspection; any other is removed, including one that nobody would watch any longer. If the process
    of an earlier try died, the next try takes over its running pod, so that no stage runs twice at once: the very pod
    that the earlier try made, known by its uid. The stage's result is the task's; `chunk` is for the arguments of a
    mapped task, `{{ task.chunk }}`.

    A killed task can be reported as a success: https://github.com/apache/airflow/issues/71202,
    https://github.com/apache/airflow/issues/73006. So whatever the pod did, a killed task raises.
    """

    ui_color = "#dcecf5"

    def __init__(self, *, arguments: list[str], chunk: str = "", **kwargs: Any) -> None:
        own = source_access() if arguments[:1] == ["ingest_raw"] else {}
        super().__init__(arguments=arguments, **{"name": kwargs["task_id"], **cluster_defaults(), **own, **kwargs})
        self.chunk = chunk
        if self.execution_timeout and not self.active_deadline_seconds:
            # Should the whole of Airflow be gone: a little after Airflow's own timeout the pod ends by itself.
            self.active_deadline_seconds = int(self.execution_timeout.total_seconds()) + 300

    @cached_property
    def pod_manager(self) -> StagePodManager:
        """The pod manager on this operator's client."""
        return StagePodManager(kube_client=self.client)

    def build_pod_request_obj(self, context: Context | None = None, *, dry_run: bool = False) -> k8s.V1Pod:
        """The pod to create, without the sidecar that the provider would add to one with a result."""
        self.do_xcom_push, wanted = False, self.do_xcom_push
        try:
            return super().build_pod_request_obj(context, dry_run=dry_run)
        finally:
            self.do_xcom_push = wanted

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:
        """The pod that an earlier try of this task made, unless it has succeeded or is gone; else a new one.

        The provider goes by name and labels, which another pod can have: https://github.com/apache/airflow/issues/71743
        """
        store = context["task_state_store"]
        uid = store.get(UID_KEY)
        selector = self._build_find_pod_label_selector(context)
        for pod in self.client.list_namespaced_pod(NAMESPACE, label_selector=selector).items:
            if pod.metadata.uid != uid:
                self.log.warning(
                    "Pod %s has the labels of this task, but no try of it has recorded it (uid %s); it is left alone",
                    *(pod.metadata.name, pod.metadata.uid),
                )
            elif pod.status.phase == PodPhase.SUCCEEDED:  # while nobody watched; to run again is harmless
                self.pod_manager.delete_pod(pod)
            else:
                self.log.info("Taking over pod %s of an earlier try", pod.metadata.name)
                return pod
        self.pod = self.pod_manager.create_pod(pod=pod_request_obj)
        store.set(UID_KEY, self.pod.metadata.uid)
        return self.pod

    def execute_sync(self, context: Context) -> Any:
        """Start the pod or take it over, follow its log to the end, and return the stage's result.

        Raises unless the stage ended undisturbed with 0.
        """
        self.pod_request_obj = self.build_pod_request_obj(context)
        name = self.pod_request_obj.metadata.name
        try:
            self.pod = self.get_or_create_pod(self.pod_request_obj, context)  # from here on, on_kill() deletes it
            name = self.pod.metadata.name
            if self._killed:  # while the pod was being made, so on_kill() did not know it
                raise AirflowException("stopped")
            self.await_pod_start(self.pod)
            self.await_pod_completion(self.pod)  # follows the log
            ended = self.pod_manager.await_end(self.pod)
        except BaseException as error:  # a timeout, a pod that cannot start, a lost API server
            self._remove_unfinished()
            if self._killed:
                raise AirflowException(f"{self.task_id} was stopped by Airflow; its pod {name} is deleted") from error
            if isinstance(error, ApiException) and error.status == 404:
                raise self._deleted() from None  # not with the HTTP headers of Kubernetes' answer
            raise
        if self._killed:
            raise AirflowException(f"{self.task_id} was stopped by Airflow; its pod {name} is deleted")
        if ended.metadata.deletion_timestamp and not ended_well(ended):
            raise self._deleted()
        if not ended_well(ended):
            self._fail(ended)
        result = self._result(ended)
        self.pod_manager.delete_pod(ended)
        remove_old_failed_pods(self.client, NAMESPACE, datetime.now(UTC))
        if result is not None:
            hand_on(context, result)
        return result

    def _result(self, pod: k8s.V1Pod) -> Any:
        """What the stage left in the pod's status; None where it has no result."""
        message = next((end.message for end in container_ends(pod)), None)
        return json.loads(message) if message else None

    def _deleted(self) -> AirflowException:
        name = self.pod.metadata.name if self.pod else "of the task"
        return AirflowException(f"{self.task_id}: pod {name} was deleted while it ran, by someone or with its node")

    def _fail(self, pod: k8s.V1Pod) -> NoReturn:
        """Keep the failed pod, log what Kubernetes reports about it, raise what its exit means."""
        self.patch_already_checked(pod, reraise=False)  # a failed pod is nothing for the next try to take up
        self._read_pod_events(pod, reraise=False)
        name, status = pod.metadata.name, pod.status
        self.log.info("The failed pod is kept: kubectl --namespace %s describe pod %s", NAMESPACE, name)
        ends = container_ends(pod)
        lines = (ends[0].message or "").splitlines() if ends else []
        # Beyond the stage's own lines: out of memory, past the deadline, evicted, preempted.
        reason = status.reason or (ends[0].reason if ends else "it never ran")
        if reason not in ("Error", "Completed"):
            limits = self.container_resources.limits if self.container_resources else {}
            limit = f": more than its memory limit of {limits.get('memory', 'the node')}"
            hint = limit if reason == "OOMKilled" else f": {status.message or ''}"
            lines.append(f"ERROR: Kubernetes ended pod {name}, {reason}{hint}")
        # A pod that Kubernetes failed as a whole has the exit code of its kill, or none: worth another try.
        code = ends[0].exit_code if ends and not status.reason else 137
        raise_for_exit(self.task_id, code, lines)

    def _remove_unfinished(self) -> None:
        """Delete the pod unless it has failed: it must not run on, or start later, with nobody to watch it."""
        if not self.pod:
            return
        try:
            pod = self.pod_manager.read_pod(self.pod)
            if pod.status.phase == PodPhase.FAILED:
                self.patch_already_checked(pod, reraise=False)
                return
            self._read_pod_container_states(pod, reraise=False)
            self._read_pod_events(pod, reraise=False)
            self.pod_manager.delete_pod(pod)
        except Exception as error:  # the error that brought us here is the one to report
            if not (isinstance(error, ApiException) and error.status == 404):
                self.log.warning("Could not clean up after the pod of %s: %s", self.task_id, error)

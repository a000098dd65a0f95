"""Port-forwards on 127.0.0.1, and the process that keeps them.

kubectl's port-forward ends with the pod behind it, or lives on without a way to it: it then takes connections and
resets them for ever (https://github.com/kubernetes/kubectl/issues/686). A process in the background, the keeper, asks
through each forward again and again, and starts one anew that has ended or no longer answers, until scripts/down ends
the keeper or the cluster is gone.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from collisions_ops.errors import OpsError
from collisions_ops.settings import CONTEXT, MINIO, NODE, Settings, remembered_ports
from collisions_ops.shell import Shell
from collisions_ops.wait import until

KEEPER = "keep-forwards"  # the keeper's command, which tells it apart from another process with the same pid
PORT_SECONDS = 30
STOP_SECONDS = 5
RESTART_SECONDS = 0.5  # between two forwards: the next pod takes a moment
PROBE_SECONDS = 5  # between two probes of a forward that answers
PROBE_AGAIN_SECONDS = 0.3  # of one that does not
PROBE_TIMEOUT_SECONDS = 5
PROBES_FAILED = 3  # in a row: a busy server may let one wait
LOG_BYTES = 1_000_000
START_SECONDS = 10  # within which a new forward must have answered


@dataclass(frozen=True)
class Forwards:
    """The forwards to Airflow's API server and the store, on the ports of `settings`."""

    settings: Settings
    shell: Shell

    def keeper(self) -> int | None:
        """The keeper's process id, if it is there: the number of the last start may be another process's by now."""
        try:
            pid = int(self.settings.forward_pid.read_text())
        except (FileNotFoundError, ValueError):
            return None
        command = self.shell.attempt("ps", "-ww", "-o", "command=", "-p", str(pid)).out
        return pid if KEEPER in command else None

    def kept(self) -> bool:
        """Are they kept, on these ports?"""
        return self.keeper() is not None and remembered_ports(self.settings.ports_file) == self.settings.ports

    def hold(self, port: int) -> bool:
        """Is this port one of those that the keeper holds now?"""
        remembered = remembered_ports(self.settings.ports_file)
        return remembered is not None and port in vars(remembered).values() and self.keeper() is not None

    def ensure(self) -> None:
        """Start them unless they are kept on these ports."""
        if not self.kept():
            self.start()

    def start(self) -> None:
        """Restart the keeper, in the background, on the ports of `settings`."""
        self.stop()
        self.settings.cluster_state.mkdir(parents=True, exist_ok=True)
        self.settings.ports_file.write_text(self.settings.ports.text())
        self.settings.forward_log.write_bytes(b"")
        environ = dict(self.shell.environ) | {
            "STATE": str(self.settings.state),
            "STORE": self.settings.store,
            "PYTHONPATH": str(self.settings.scripts),
            **{name: str(port) for name, port in vars(self.settings.ports).items()},
        }
        shell = Shell(environ, log=self.settings.forward_log)
        keeper = shell.start(
            self.settings.python, "-P", "-m", "collisions_ops", KEEPER, cwd=self.settings.root, apart=True
        )
        self.settings.forward_pid.write_text(f"{keeper.pid}\n")

    def stop(self) -> None:
        """End the keeper and its forwards."""
        pid = self.keeper()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
                try:
                    until(lambda: not self._group(pid), "the port-forwards end", STOP_SECONDS)
                except OpsError:
                    os.killpg(pid, signal.SIGKILL)
        self.settings.forward_pid.unlink(missing_ok=True)

    def _group(self, pid: int) -> list[str]:
        """The processes of the keeper's group that are alive."""
        listed = self.shell.attempt("ps", "-A", "-o", "pgid=,stat=").out.splitlines()
        return [line for line in listed if line.split()[0] == str(pid) and "Z" not in line.split()[1]]

    def await_port(self, port: int, name: str) -> None:
        """Wait until a forward answers by HTTP; raises OpsError."""
        until(
            lambda: answers(port), f"{name} answers on 127.0.0.1:{port} (see {self.settings.forward_log})", PORT_SECONDS
        )

    def keep(self) -> None:
        """Be the keeper: forward, and forward again whenever a forward has ended, as long as the cluster is there."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # outlives the terminal
        ports = self.settings.ports
        forwards: list[Callable[[], None]] = [
            lambda: self.keep_one("airflow", "airflow-api-server", {ports.UI_PORT: 8080}),
        ]
        if self.settings.store_port:
            store = {ports.MINIO_PORT: self.settings.store_port}
            store |= {ports.MINIO_CONSOLE_PORT: 9001} if self.settings.store == MINIO else {}
            forwards.append(lambda: self.keep_one("collisions", self.settings.store, store))
        threads = [threading.Thread(target=forward, daemon=True) for forward in forwards]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(PROBE_SECONDS)
            if self.settings.forward_log.stat().st_size > LOG_BYTES:  # kubectl writes a line for each connection
                os.truncate(self.settings.forward_log, 0)

    def keep_one(self, namespace: str, service: str, ports: dict[int, int]) -> None:
        """Keep one service's forward, of ports here to ports there, as long as the cluster is there."""
        shell = Shell(self.shell.environ, log=self.settings.forward_log)
        options = ("--context", CONTEXT, "--namespace", namespace, "port-forward", "--address", "127.0.0.1")
        pairs = [f"{here}:{there}" for here, there in ports.items()]
        pause = threading.Event()
        while shell.attempt("docker", "inspect", NODE).ok:  # the cluster is there, if perhaps stopped
            forward = shell.start("kubectl", *options, f"service/{service}", *pairs)
            try:
                watch(forward, list(ports))
            finally:
                forward.kill()
                forward.wait()
            pause.wait(RESTART_SECONDS)


def answers(port: int, seconds: float = PROBE_TIMEOUT_SECONDS) -> bool:
    """Does a server answer by HTTP on this port of 127.0.0.1, whatever it says?"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("HEAD", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def watch(forward: subprocess.Popen[bytes], ports: Sequence[int], probe: Callable[[int], bool] = answers) -> None:
    """Return once a forward has ended, or no longer answers on one of its ports: it is to be started anew."""
    failed, answered, waited = 0, False, 0.0
    while True:
        if all(probe(port) for port in ports):
            failed, answered = 0, True
        else:
            failed += 1
        if failed >= PROBES_FAILED and (answered or waited >= START_SECONDS):
            return
        seconds = PROBE_AGAIN_SECONDS if failed or not answered else PROBE_SECONDS
        with suppress(subprocess.TimeoutExpired):
            forward.wait(seconds)
            return
        waited += seconds


def port_open(port: int) -> bool:
    """Does something listen on this port of 127.0.0.1?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False

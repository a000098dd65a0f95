"""The failure report: what it says, whom it tells, and that a broken notification changes nothing."""

from __future__ import annotations

import email
import email.policy
import json
import re
import socketserver
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest


@pytest.fixture
def slack(request):
    """A webhook's server, which answers with the status given or, given None, not at all; the bodies posted to it."""
    posted: list[tuple[str, dict]] = []
    status = getattr(request, "param", 200)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            if status:
                self.send_response(status)
                self.end_headers()

        def log_message(self, *_):
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, posted
    server.shutdown()
    server.server_close()


@pytest.fixture
def mail():
    """An SMTP server that takes one message; the lines sent to it."""
    lines: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 test\r\n")
            in_data = False
            for raw in self.rfile:
                lines.append(line := raw.decode().rstrip("\r\n"))
                if in_data:
                    in_data = line != "."
                if in_data:
                    continue
                self.wfile.write({"DATA": b"354 go on\r\n", "QUIT": b"221 bye\r\n"}.get(line.upper(), b"250 ok\r\n"))
                in_data = line.upper() == "DATA"

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], lines
        server.shutdown()


@pytest.fixture
def failed(run, stub):
    """Run the DAG with a data fault; the run."""

    def fail():
        stub.plan(transform_clean=["echo 'ERROR: crashes_2022-01.csv: no column COLLISION_ID' >&2; exit 65"])
        dag_run = run({"start": "2024-07-01", "end": "2024-07-02"})
        assert dag_run.get_task_instance("transform_clean", map_index=0).state == "failed"
        return dag_run

    return fail


def test_the_report_says_what_failed_and_where_to_look(failed, caplog):
    dag_run = failed()
    report = caplog.text[caplog.text.index("collisions_pipeline: transform_clean failed") :]
    for words in (
        f"run      {dag_run.run_id}, try 1",
        f"-m stages transform_clean --run-id={dag_run.run_id} --start=2024-07-01 --end=2024-07-02",
        "AirflowFailException: transform_clean failed with exit code 65",
        "no column COLLISION_ID",
        "/dags/collisions_pipeline/runs/",
        f"_runs/{dag_run.run_id}/",
        "clear the task",
    ):
        assert words in report
    assert "Notified" not in report


def test_the_command_in_the_report_can_be_pasted(failed, stub, caplog, monkeypatch):
    import collisions_operators.alerts

    monkeypatch.setattr(collisions_operators.alerts, "REPOSITORY", stub.folder)
    monkeypatch.setenv("COLLISIONS_LAKE", "/a lake/of mine")
    failed()
    [command] = re.findall(r"^  command  (.+)$", caplog.text, re.MULTILINE)
    assert f"COLLISIONS_LAKE='/a lake/of mine' {sys.executable} -m stages" in command
    calls = len(stub.calls)
    done = subprocess.run(["sh", "-c", command], cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (65, "ERROR: crashes_2022-01.csv: no column COLLISION_ID\n")
    assert stub.calls[calls:] == [next(call for call in stub.calls if call[0] == "transform_clean")]


def test_a_configuration_that_cannot_hold_is_shown_and_no_rerun_is_advised(run, caplog):
    run({"start": "2024-07-02", "end": "2024-07-01"})
    report = caplog.text[caplog.text.index("collisions_pipeline: ingest_raw failed") :]
    assert "none was made: the run's configuration is" in report
    assert "'start': '2024-07-02'" in report
    assert "param start must be before end" in report
    assert "start another run with the right params: this one would fail again" in report
    assert "{{" not in report.partition("Notified")[0]
    assert "clear the task" not in report
    assert "_runs/" not in report  # where no stage has run there is no such folder


def test_a_run_that_a_stage_refuses_is_not_sent_back_with_the_same_params(run, stub, caplog):
    stub.plan(ingest_raw=["echo \"ERROR: there is no dataset 'crash'\" >&2; exit 78"])
    run({"datasets": ["crash"]})
    report = caplog.text[caplog.text.index("collisions_pipeline: ingest_raw failed") :]
    assert "if a param is wrong, start another run with the right ones: this one would fail again" in report
    assert "if a setting is, correct it and clear the task" in report
    assert "_runs/" not in report


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8081/dags/x/runs/y", "http://127.0.0.1:8081/dags/x/runs/y"),
        ("/dags/x/runs/y", "printed by this run, and kept in /a/demo.log (no UI was running)"),
    ],
)
def test_without_a_ui_the_report_says_so_instead_of_a_link(url, shown, monkeypatch):
    from collisions_operators.alerts import what_to_do, where_the_log_is

    monkeypatch.setenv("COLLISIONS_RUN_LOG", "/a/demo.log")
    ti = SimpleNamespace(log_url=url)
    assert where_the_log_is(ti) == shown
    assert ("clear the task" in what_to_do(ti, None, rendered=True)) == url.startswith("http")


def test_the_command_of_a_pod_is_said_to_be_one(monkeypatch):
    from collisions_operators.alerts import command_line

    monkeypatch.setenv("COLLISIONS_RUNTIME", "kubernetes")
    assert command_line(["ingest_raw", "--run-id=a b"]) == (
        "python -m stages ingest_raw '--run-id=a b'   (in a pod of the namespace collisions)"
    )


def test_a_retry_to_come_is_not_reported(run, stub, caplog):
    stub.plan(ingest_raw=["exit 75", "exit 0"])
    run()
    assert "collisions_pipeline: ingest_raw failed" not in caplog.text


@pytest.mark.parametrize(
    "connection",
    [
        {"schema": "http", "host": "127.0.0.1:{port}/services", "password": "T/B/x"},
        {"password": "http://127.0.0.1:{port}/services/T/B/x"},
    ],
    ids=["its parts", "the whole URL"],
)
def test_slack_is_notified_where_a_connection_exists(connection, failed, slack, monkeypatch):
    port, posted = slack
    fields = {name: value.replace("{port}", str(port)) for name, value in connection.items()}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps({"conn_type": "slackwebhook"} | fields))
    failed()
    [(path, body)] = posted
    assert path == "/services/T/B/x"
    assert body["text"].count("collisions_pipeline: transform_clean failed") == 1
    assert "no column COLLISION_ID" in body["text"]


def test_a_port_that_the_slack_provider_would_ignore_is_refused(failed, slack, monkeypatch, caplog):
    port, posted = slack
    connection = {"conn_type": "slackwebhook", "schema": "http", "host": "127.0.0.1", "port": port, "password": "T/B/x"}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(connection))
    failed()
    assert posted == []
    assert "give the whole webhook URL as its password" in caplog.text


@pytest.mark.parametrize("slack", [500, 429, None], indirect=True)
def test_the_webhooks_address_is_a_secret_though_the_request_is_repeated(slack, failed, monkeypatch, caplog, capfd):
    port, posted = slack
    url = f"http://127.0.0.1:{port}/services/T0/B0/secret"
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps({"conn_type": "slackwebhook", "password": url}))
    with caplog.at_level("DEBUG"):
        failed()
    assert posted
    assert "Could not notify by connection slack_default" in caplog.text
    assert "B0/secret" not in caplog.text
    assert "B0/secret" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "connection",
    [
        {"schema": "http", "host": "127.0.0.1:1/services", "password": "T1/B1/a secret"},
        {"password": "http://127.0.0.1:1/services/T2/B2/a secret"},
        {"password": "htps://127.0.0.1:1/services/T3/B3/a-secret"},
    ],
)
def test_an_error_that_quotes_the_webhooks_address_is_masked(connection, failed, monkeypatch, caplog, capfd):
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps({"conn_type": "slackwebhook"} | connection))
    failed()
    assert "Could not notify by connection slack_default: " in caplog.text
    assert "***" in caplog.text
    assert "secret" not in caplog.text
    assert "secret" not in "".join(capfd.readouterr())


def test_mail_is_sent_where_a_connection_exists(failed, mail, monkeypatch):
    port, lines = mail
    connection = {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": port,
        "extra": {
            "to": "ops@example.org",
            "from_email": "airflow@example.org",
            "disable_ssl": True,
            "disable_tls": True,
        },
    }
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    failed()
    assert "rcpt TO:<ops@example.org>" in lines
    message = email.message_from_string("\n".join(lines[lines.index("data") + 1 :]), policy=email.policy.default)
    assert message["subject"] == "collisions_pipeline: transform_clean failed"
    assert abs(message["date"].datetime - datetime.now(UTC)) < timedelta(minutes=5)
    assert message["message-id"].endswith("@example.org>")
    assert (message["from"], message["to"]) == ("airflow@example.org", "ops@example.org")
    parts = {part.get_content_type(): part.get_content() for part in message.iter_parts()}
    assert list(parts) == ["text/plain", "text/html"]
    for text in parts.values():
        assert "no column COLLISION_ID" in text
    assert "<pre>" not in parts["text/plain"]


def test_a_broken_notification_is_logged_and_changes_nothing(failed, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps({"conn_type": "slackwebhook", "host": "127.0.0.1:1"}))
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": 1}))
    failed()
    assert "Could not notify by connection slack_default" in caplog.text
    assert "Could not notify by connection smtp_default" in caplog.text
    assert "has no recipients" in caplog.text

"""What happens when a task has failed for good: it is logged, and sent by mail and Slack where these are configured."""

from __future__ import annotations

import json
import logging
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Connection, Context

log = logging.getLogger(__name__)


def report_failure(context: Context) -> None:
    """Task failure callback: print what failed and where to look, and notify. Never changes the task's own state."""
    ti, error = context["ti"], context.get("exception")
    subject = f"{ti.dag_id}: {ti.task_id} failed"
    text = "\n".join(
        [
            subject,
            f"  run      {ti.run_id}, try {ti.try_number}",
            f"  command  python -m stages {' '.join(getattr(ti.task, 'arguments', []))}",
            f"  error    {type(error).__name__}: {error}",
            f"  log      {ti.log_url}",
            f"  in lake  _runs/{ti.run_id}/ (what each stage did), quarantine/ (rejected rows, with reasons)",
            "  then     fix the cause and clear the task: a rerun is harmless",
        ]
    )
    log.error("%s", text)
    for connection_id, notify in (("smtp_default", send_mail), ("slack_default", send_slack)):
        try:
            if connection := find_connection(connection_id):
                notify(connection, subject, text)
                log.info("Notified by connection %s", connection_id)
        except Exception:  # the task's failure is the news; a broken notification must not bury it
            log.exception("Could not notify by connection %s", connection_id)


def find_connection(connection_id: str) -> Connection | None:
    """The Airflow connection of that name, or None where nobody has configured it."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found: Connection = Connection.get(connection_id)
        return found
    except AirflowNotFoundException:
        return None


def send_mail(connection: Connection, subject: str, text: str) -> None:
    """Mail to the recipients named by `to` in the connection's extra."""
    from html import escape

    from airflow.providers.smtp.hooks.smtp import SmtpHook

    to = connection.extra_dejson.get("to")
    if not to:
        raise ValueError(f'connection {connection.conn_id} has no recipients: set its extra to {{"to": "a@b.org"}}')
    with SmtpHook(smtp_conn_id=connection.conn_id) as hook:
        hook.send_email_smtp(to=to, subject=subject, html_content=f"<pre>{escape(text)}</pre>")


def send_slack(connection: Connection, subject: str, text: str) -> None:
    """Post to an incoming webhook: a slackwebhook connection, its token as the password; needs no provider."""
    url = f"{connection.schema or 'https'}://{connection.host or 'hooks.slack.com/services'}/{connection.password}"
    body = json.dumps({"text": f"*{subject}*\n```{text}```"}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - the URL is the operator's own connection
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - as above

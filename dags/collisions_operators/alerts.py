"""What happens when a task has failed for good: it is logged, and sent by mail and Slack where these are configured."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from email.message import EmailMessage
from email.utils import localtime, make_msgid, parseaddr
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from collisions_operators import WrongSettings

if TYPE_CHECKING:
    import smtplib

    from airflow.sdk import Connection, Context

log = logging.getLogger(__name__)

REPOSITORY = Path(__file__).resolve().parents[2]
STAGE_SETTINGS = ("COLLISIONS_LAKE", "COLLISIONS_S3_ENDPOINT")  # which lake; its keys are not for a log


def report_failure(context: Context) -> None:
    """Task failure callback: print what failed and where to look, and notify. Never changes the task's own state."""
    from airflow.sdk.log import redact  # type: ignore[attr-defined]

    subject, text = describe(context)
    log.error("%s\n%s", subject, text)
    for connection_id, notify in (("smtp_default", send_mail), ("slack_default", send_slack)):
        try:
            if connection := find_connection(connection_id):
                notify(connection, subject, text)
                log.info("Notified by connection %s", connection_id)
        except Exception as error:  # the task's failure is the news; a broken notification must not bury it
            said = redact(f"{type(error).__name__}: {error}")
            log.error("Could not notify by connection %s: %s", connection_id, said)


def describe(context: Context) -> tuple[str, str]:
    """The report's subject and text."""
    ti, error = context["ti"], context.get("exception")
    subject = f"{ti.dag_id}: {ti.task_id} failed"
    arguments = list(getattr(ti.task, "arguments", []))
    rendered = not any("{{" in argument for argument in arguments)
    command = (
        command_line(arguments)
        if rendered
        else f"none was made: the run's configuration is {context['dag_run'].conf or '{}'}"
    )
    lines = [
        f"  run      {ti.run_id}, try {ti.try_number}",
        f"  command  {command}",
        f"  error    {type(error).__name__}: {error}",
        f"  log      {where_the_log_is(ti)}",
    ]
    if rendered and not isinstance(error, WrongSettings):  # else no stage has worked
        lines.append(f"  in lake  _runs/{ti.run_id}/ (what each stage did), quarantine/ (rejected rows, with reasons)")
    lines.append(f"  then     {what_to_do(ti, error, rendered=rendered)}")
    return subject, "\n".join(lines)


def command_line(arguments: list[str]) -> str:
    """The stage's command: in the embedded runtime it can be pasted into a shell; a pod has its own settings."""
    words = shlex.join(arguments)
    if os.environ.get("COLLISIONS_RUNTIME") != "local":
        return f"python -m stages {words}   (in a pod of the namespace collisions)"
    settings = " ".join(f"{name}={shlex.quote(os.environ[name])}" for name in STAGE_SETTINGS if os.environ.get(name))
    return f"cd {shlex.quote(str(REPOSITORY))} && {settings} {shlex.quote(sys.executable)} -m stages {words}"


def where_the_log_is(ti: Any) -> str:
    """The address of the task's log; without a UI there is none, and the log is what `airflow dags test` prints."""
    if has_ui(ti):
        return str(ti.log_url)
    kept = os.environ.get("COLLISIONS_RUN_LOG")
    return f"printed by this run{f', and kept in {kept}' if kept else ''} (no UI was running)"


def what_to_do(ti: Any, error: object, *, rendered: bool) -> str:
    """What helps once the cause is known."""
    again = "clear the task" if has_ui(ti) else "run the same again"
    if not rendered:
        return "start another run with the right params: this one would fail again"
    if isinstance(error, WrongSettings):
        return (
            "if a param is wrong, start another run with the right ones: this one would fail again;"
            f" if a setting is, correct it and {again}"
        )
    if has_ui(ti):
        again += " (if a landed file was at fault, the run from ingest_raw on)"
    return f"fix the cause and {again}: a rerun is harmless"


def has_ui(ti: Any) -> bool:
    """Whether a UI serves the run; one without a scheduler ends with the command that began it."""
    return str(ti.log_url).startswith("http")


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
    """Mail to the recipients named by `to` in the connection's extra, as plain text and as HTML of fixed width."""
    from html import escape

    from airflow.providers.smtp.hooks.smtp import SmtpHook

    to = connection.extra_dejson.get("to")
    if not to:
        raise ValueError(f'connection {connection.conn_id} has no recipients: set its extra to {{"to": "a@b.org"}}')
    message = EmailMessage()
    message["Date"] = localtime()
    message["Subject"] = subject
    message["To"] = to if isinstance(to, str) else ", ".join(to)
    message.set_content(text)
    message.add_alternative(f"<pre>{escape(text)}</pre>", subtype="html")
    with SmtpHook(smtp_conn_id=connection.conn_id) as hook:
        sender = hook.from_email or connection.login
        if not sender:
            raise ValueError(
                f"connection {connection.conn_id} has no sender: set from_email in its extra, or its login"
            )
        message["From"] = sender
        message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2])
        client = cast("smtplib.SMTP", hook._smtp_client)  # the hook's own way of sending knows HTML alone
        client.send_message(message)


def send_slack(connection: Connection, subject: str, text: str) -> None:
    """Post to an incoming webhook, by the Slack provider's hook: a slackwebhook connection, its URL as the password."""
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook
    from airflow.sdk.log import mask_secret

    if connection.port and "://" not in (connection.password or ""):
        raise ValueError(
            f"connection {connection.conn_id} has a port, which the Slack provider ignores: give the whole webhook URL"
            " as its password"
        )
    # Who has the webhook's URL can post. slack_sdk logs it, and `airflow dags test` prints what is logged unmasked.
    quiet = log.getChild("slack_sdk")
    quiet.setLevel(logging.CRITICAL)
    hook = SlackWebhookHook(slack_webhook_conn_id=connection.conn_id, timeout=10, logger=quiet)
    url = hook.client.url
    mask_secret([url, urlsplit(url).path])  # for the errors that quote it
    hook.send_text(f"*{subject}*\n```{text}```")

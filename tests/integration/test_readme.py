"""Each command that README.md and docs/operations.md show works as printed, in a fresh clone and with a fresh HOME.

A command that is new there fails the test until RUNS says how it is run. So does the Python of docs/notebooks.md.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
AS_PRINTED = "as printed"
CLUSTER = "tests/e2e"

# command in the documents -> AS_PRINTED, or the command run in its place, or the test elsewhere that runs it
RUNS = {
    "scripts/demo": AS_PRINTED,
    "scripts/test": "scripts/test --help",  # it is what runs this
    "scripts/report": AS_PRINTED,
    "scripts/query": AS_PRINTED,
    "scripts/query ledger": AS_PRINTED,
    "scripts/query worst_corners": AS_PRINTED,
    "scripts/query seat_belts year=2025": AS_PRINTED,
    "scripts/query rejected": AS_PRINTED,
    "scripts/query revisions": AS_PRINTED,
    'scripts/query before_after corner="BEDFORD ROAD" with="WEST 134 STREET" date=2025-03-20': AS_PRINTED,
    'scripts/query "select borough, count(*) from collisions where involves_truck group by all"': AS_PRINTED,
    "scripts/demo --ui": "tests/integration/test_demo.py",
    "scripts/bench": "tests/integration/test_bench.py",
    "scripts/up": CLUSTER,
    "scripts/land FILE.csv": CLUSTER,
    "scripts/trigger --start 2022-01-01 --end 2022-02-01": CLUSTER,
    "scripts/trigger --years 2022,2023 --datasets crashes,persons": CLUSTER,
    "scripts/backfill --from 2022-01-10 --to 2022-01-13": CLUSTER,
    "scripts/status": CLUSTER,
    "scripts/logs transform_clean": CLUSTER,
    "scripts/query --cluster ledger": CLUSTER,
    "scripts/report --cluster": CLUSTER,
    "scripts/down": CLUSTER,
    "scripts/airflow dags list-runs collisions_pipeline --state failed": AS_PRINTED,
    "tail -n 60 .collisions/airflow/demo.log": AS_PRINTED,
    "scripts/airflow dags test collisions_pipeline"
    """ --conf '{"start": "2025-03-01", "end": "2025-04-01"}'""": AS_PRINTED,
    "scripts/airflow connections add slack_default --conn-type slackwebhook"
    " --conn-password https://hooks.slack.com/services/T000/B000/XXX": AS_PRINTED,
    "scripts/airflow connections add smtp_default --conn-type smtp --conn-host smtp.example.org --conn-port 587"
    " --conn-login airflow --conn-password SECRET --conn-extra"
    """ '{"from_email": "airflow@example.org", "to": "ops@example.org", "disable_ssl": true}'""": AS_PRINTED,
    "scripts/airflow connections list": AS_PRINTED,
    "scripts/airflow connections delete slack_default": AS_PRINTED,
    "scripts/metrics": AS_PRINTED,
    "scripts/metrics --cluster": CLUSTER,
    "scripts/metrics --listen 9464": "tests/integration/test_metrics.py",
}
ON_CALL = ("freshness", "rejected", "unknown_words", "quality", "ledger")  # of the table in docs/operations.md


def commands(markdown: str) -> list[str]:
    """The commands of the text's ```console blocks (lines after "$ ") and ```sh blocks (every line), each once."""
    found = []
    for kind, block in re.findall(r"^```(console|sh)\n(.*?)^```", markdown, flags=re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            command, _, _ = line.removeprefix("$ ").partition("  #")
            if line.startswith("$ ") if kind == "console" else command and not command.startswith("#"):
                found.append(" ".join(command.split()))
    return list(dict.fromkeys(found))


DOCUMENTS = ("README.md", "docs/operations.md")
SHOWN = list(dict.fromkeys(command for name in DOCUMENTS for command in commands((REPOSITORY / name).read_text())))


def test_commands_are_found_in_both_kinds_of_block() -> None:
    console = "```console\n$ a --b  # why\noutput\n$ c \\\n    d\n```\n"
    text = console + "```python\nno()\n```\n```sh\n# comment\ne\na --b\n```\n"
    assert commands(text) == ["a --b", "c d", "e"]


def test_the_documents_show_commands_and_each_is_in_the_table() -> None:
    assert SHOWN, "no command is shown"
    assert [command for command in SHOWN if command not in RUNS] == [], "say in RUNS how each of these is run"
    assert [command for command in RUNS if command not in SHOWN] == [], "these are shown no longer"
    for how in RUNS.values():
        assert not how.startswith("tests/") or (REPOSITORY / how).exists()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is committed, in a new folder."""
    folder = tmp_path_factory.mktemp("clone") / "collisions"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
    return folder


@pytest.mark.parametrize(
    "command", [command for command in SHOWN if not RUNS.get(command, "tests/").startswith("tests/")]
)
def test_the_command_works(command: str, clone: Path) -> None:
    done = run_in(clone, command if RUNS[command] == AS_PRINTED else RUNS[command])
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    assert done.stdout.strip()
    assert " 0 rows " not in done.stdout


@pytest.mark.parametrize("name", ON_CALL)
def test_a_question_on_call_is_answered_by_the_query_that_the_table_names(name: str, clone: Path) -> None:
    table = (REPOSITORY / "docs/operations.md").read_text()
    assert f"| `scripts/query {name}` | `scripts/query --cluster {name}` |" in table
    done = run_in(clone, f"scripts/query --csv {name}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("dataset,", "stage,", "vocabulary,", "severity,", "run_id,"))


def test_the_recipe_for_notebooks_runs(clone: Path) -> None:
    text = (REPOSITORY / "docs/notebooks.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [".venv/bin/python", "-c", program], cwd=clone, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    collisions, newest, last_day = done.stdout.split()[-3:]
    assert collisions == newest != "0"
    assert last_day == "31"


def run_in(clone: Path, words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the documents in the clone, as a newcomer's shell would."""
    home = clone.parent / "home"
    home.mkdir(exist_ok=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW_", "COLLISIONS_", "VIRTUAL_ENV", "PYTEST_")) and name not in {"STATE", "VENV"}
    } | {"HOME": str(home)}
    return subprocess.run(
        ["bash", "-c", words], cwd=clone, env=environment, capture_output=True, text=True, check=False, timeout=300
    )

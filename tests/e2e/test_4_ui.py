"""The UI in a headless browser, driven by ChromeDriver's own protocol (W3C WebDriver), without a client library."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster
from collisions_ops.sample import main as sample
from lake import REPOSITORY, STAGES

PORT = 9515
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name for a reference to an element


class Browser:
    """One browser window."""

    def __init__(self) -> None:
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1500,950"]
        arguments += ["--no-first-run", "--disable-background-networking", "--disable-component-update"]
        chrome = {"args": arguments, "binary": shutil.which("chromium") or shutil.which("google-chrome")}
        wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": chrome}}
        self.session = self._call("POST", "/session", {"capabilities": wanted})["sessionId"]

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A command of this window."""
        return self._call(method, f"/session/{self.session}{path}", body)

    def open(self, url: str) -> None:
        """Go to a page."""
        self.send("POST", "/url", {"url": url})

    def type(self, selector: str, text: str) -> None:
        """Type into the element of a CSS selector."""
        found = self.send("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]
        self.send("POST", f"/element/{found}/value", {"text": text})

    def text(self) -> str:
        """All that the page shows."""
        return self.send(
            "POST", "/execute/sync", {"script": "return document.body ? document.body.innerText : ''", "args": []}
        )

    def screenshot(self, path: Path) -> None:
        """Save what the window shows."""
        path.write_bytes(base64.b64decode(self.send("GET", "/screenshot")))


@pytest.fixture
def browser(cluster: Cluster) -> Iterator[Browser]:
    """A fresh headless browser."""
    if not shutil.which("chromedriver"):
        pytest.skip("no chromedriver (Debian: chromium, chromium-driver)")
    with subprocess.Popen(["chromedriver", f"--port={PORT}"], stdout=subprocess.DEVNULL) as driver:
        try:
            cluster.until(lambda: ready(f"http://127.0.0.1:{PORT}/status"), "chromedriver", 30)
            window = Browser()
            yield window
            window.send("DELETE", "")
        finally:
            driver.terminate()


def ready(url: str) -> bool:
    """Does it answer?"""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture
def small_chunks(cluster: Cluster) -> Iterator[None]:
    """The work of a run is cut into small chunks meanwhile."""
    settings = ("--namespace", "collisions", "patch", "configmap", "stage-settings", "--type", "merge", "--patch")
    cluster.kubectl(*settings, json.dumps({"data": {"COLLISIONS_CHUNK_MIB": "1"}}))
    yield
    cluster.kubectl(*settings, json.dumps({"data": {"COLLISIONS_CHUNK_MIB": None}}))


def test_log_in_grid_chunks_and_task_log(
    cluster: Cluster, browser: Browser, small_chunks: None, tmp_path: Path
) -> None:
    """Log in, see the run, its tasks and the chunks of one, read a chunk's summary line in its log."""
    days = ("--start", "2022-01-01", "--end", "2022-05-01")
    sample(["--rows", "12000", *days, str(tmp_path / "sample")])
    cluster.land_anew(*sorted((tmp_path / "sample").rglob("*.csv")))
    run_id = cluster.start()
    assert cluster.finish(run_id) == "success"
    login = cluster.secret("airflow", "airflow-admin")
    address = cluster.airflow.address
    # docs/img/ was made so: SCREENSHOTS=docs/img scripts/e2e tests/e2e/test_4_ui.py
    folder = Path(REPOSITORY, os.environ["SCREENSHOTS"]) if "SCREENSHOTS" in os.environ else tmp_path
    folder.mkdir(parents=True, exist_ok=True)

    browser.open(f"{address}/dags/collisions_pipeline")
    cluster.until(lambda: "/login" in browser.send("GET", "/url"), "the login page", 60)
    cluster.until(lambda: "Sign In" in browser.text() or "Log In" in browser.text(), "the login form", 60)
    browser.type("input[name=username]", login["username"])
    browser.type("input[name=password]", login["password"] + "\ue007")  # Enter

    browser.open(f"{address}/dags/collisions_pipeline/runs/{run_id}")
    cluster.until(lambda: all(stage in browser.text() for stage in STAGES), "the grid with its four tasks", 60)
    cluster.until(lambda: browser.text().count("Success") >= len(STAGES), "the tasks' states", 60)

    chunks = {it["rendered_map_index"] for it in cluster.airflow.tasks(run_id) if it["task_id"] == "transform_clean"}
    assert len(chunks) > 1
    assert set(cluster.tries(run_id).values()) == {1}
    browser.open(f"{address}/dags/collisions_pipeline/runs/{run_id}/tasks/transform_clean/mapped")
    cluster.until(lambda: all(chunk in browser.text() for chunk in chunks), "the names of the chunks", 60)
    browser.screenshot(folder / "airflow-chunks.png")

    browser.open(f"{address}/dags/collisions_pipeline/runs/{run_id}/tasks/transform_clean/mapped/0")
    cluster.until(lambda: re.search(r"transform_clean crashes \S+: rows in", browser.text()), "the summary line", 60)
    browser.screenshot(folder / "airflow-log.png")

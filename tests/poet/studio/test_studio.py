"""The studio in a real browser, beside a run that really goes on."""

import http.server
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import chromium
from runs import command, variables
from studios import TINY, studio

from poet import Run

pytest.importorskip("selenium")
pytestmark = pytest.mark.slow

WALKS = Path(__file__).parents[3] / "benchmarks/results/open_endedness/first_agent.safetensors"
STILL = dict.fromkeys(("sigma", "sigma_floor", "step_size", "step_size_floor"), 0.001)  # so that who walks goes on to
SETTINGS = {
    **TINY,
    "episode_limit": 1600,
    "reproduction.every": 6,
    **{f"es.{name}": value for name, value in STILL.items()},
}

RESULTS = "return document.getElementById('results').dataset.whole"


@contextmanager
def evolving(folder):
    """A run that goes on until it is killed."""
    line = command("evolve", folder, "--iterations", 100_000, "--workers", 1)
    with subprocess.Popen(line, env=variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def until(found, seconds=60):
    """Wait until something is found, and give it."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, f"not found within {seconds} s"
        time.sleep(0.1)
    return value


def come_in(browser, address):
    browser.get(address)
    until(lambda: browser.execute_script("return document.body.dataset.ready") == "true")


def texts(browser, selector):
    script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
    return browser.execute_script(script, selector)


def plays(browser):
    """How often the page has begun to play."""
    return int(browser.execute_script("return document.getElementById('results').dataset.plays"))


def outcome(browser):
    """The results' first line, once all episodes are over."""
    until(lambda: browser.execute_script(RESULTS) == "true")
    return texts(browser, "#results tbody tr:first-child td")


def test_a_run_is_watched_and_a_box_is_drawn(tmp_path):
    run = Run.create(tmp_path / "run", settings=SETTINGS, agent=WALKS)
    with (
        evolving(run.folder) as process,
        studio(run.folder, "--edit") as (address, _),
        chromium(tmp_path / "profile") as browser,
    ):
        come_in(browser, address)
        until(lambda: "Running" in texts(browser, "#standing-word"))
        # An admission arrives by itself, with its drawing.
        until(lambda: browser.find_elements("css selector", "#feed li.new[data-kind=admitted] canvas"))

        # On level ground the agent reaches the end.
        base = address.partition("/open/")[0]
        browser.get(f"{base}/#/try?run=0&from=0&agents=0")
        assert outcome(browser)[3] == "finished"
        # It is drawn on, and a box is put in its way.
        browser.find_element("id", "draw").click()
        until(lambda: "drawn" in texts(browser, "#ground-said")[0])
        begun = plays(browser)
        browser.find_element("css selector", "[data-add=box]").click()
        until(lambda: plays(browser) > begun)  # what begins to play moves the view once
        assert "Chosen: box" in texts(browser, "#stage-said")[0]

        # A second browser has no business here, nor has a page of another origin in this one.
        with chromium(tmp_path / "other") as other:
            other.get(base)
            assert "403" in other.page_source
        with foreign_page(base) as page:
            browser.get(page)
            assert until(lambda: browser.execute_script("return window.came")) == "refused"

        # Killed, the run is said to have stopped within 15 s.
        come_in(browser, base)
        process.send_signal(signal.SIGKILL)
        until(lambda: "Stopped" in texts(browser, "#standing-word"), 15)
        assert [entry for entry in browser.get_log("browser") if "127.0.0.1" in entry["source"]] == []


@contextmanager
def foreign_page(base):
    """A page of another origin that tries to read the studio with whatever cookies the browser has for it."""
    tries = f"""<script>fetch("{base}/api/runs", {{credentials: "include"}}).then((answer) => answer.text())
        .then((text) => {{ window.came = text; }}, () => {{ window.came = "refused"; }})</script>"""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(tries.encode())

        def log_message(self, *arguments):
            pass

    # One thread a connection: a browser opens some ahead, silent until it needs them.
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def test_every_view_fits_a_phone_in_the_dark_without_a_complaint(tmp_path):
    run = Run.create(tmp_path / "run", settings=TINY)
    run.evolve(5, workers=1, rescore=False)
    with (
        studio(run.folder) as (address, _),
        chromium(tmp_path / "profile", width=390, height=844, dark=True) as browser,
    ):
        come_in(browser, address)
        assert browser.execute_script("return document.documentElement.dataset.theme") == "dark"
        base = address.partition("/open/")[0]
        for view in ("live", "try", "explore", "compare"):
            browser.get(f"{base}/#/{view}")
            until(lambda view=view: not browser.find_element("id", view).get_attribute("hidden"))
            if view == "try":
                outcome(browser)
            if view == "explore":
                browser.switch_to.frame("explore-frame")
                until(lambda: browser.execute_script("return document.body?.dataset.ready") == "true")
                browser.switch_to.default_content()
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 390, view
        assert browser.get_log("browser") == []

"""The studio in a real browser, beside a run that really goes on."""

import base64
import http.server
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import chromium, seem
from runs import command, variables
from studios import TINY, studio

from environments.domain import Environment
from poet import Run

pytest.importorskip("selenium")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.keys import Keys

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WALKS = Path(__file__).parents[3] / "benchmarks/results/open_endedness/first_agent.safetensors"
STILL = dict.fromkeys(("sigma", "sigma_floor", "step_size", "step_size_floor"), 0.001)  # so that who walks goes on to
SETTINGS = {
    **TINY,
    "episode_limit": 1600,
    "reproduction.every": 3,
    "reproduction.capacity": 4,  # few, so that an iteration takes no long
    "transfer.every": 50,
    **{f"es.{name}": value for name, value in STILL.items()},
}
GROUND = {"ground": [], "boxes": [[30.0, 0.0, 0.5, 0.5]]}
LOW_BOX = base64.urlsafe_b64encode(
    Environment(domain="walker2d", encoding="drawn", genome=GROUND, seed=0).to_json().encode()
).decode()


@contextmanager
def evolving(folder):
    """A run that goes on until it is killed."""
    line = command("evolve", folder, "--iterations", 100_000, "--workers", 1)
    with subprocess.Popen(line, env=variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def one_browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as browser:
        yield browser


@pytest.fixture
def browser(one_browser):
    """The module's browser with an empty page: one that was left open would complain that its studio has ended."""
    one_browser.get("about:blank")
    one_browser.get_log("browser")
    return one_browser


def until(found, seconds=120):
    """Wait until something is found, and give it."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, f"not found within {seconds} s"
        time.sleep(0.1)
    return value


def come_in(browser, address):
    browser.get(address)
    until(lambda: browser.execute_script("return document.body?.dataset.ready") == "true")


def texts(browser, selector):
    script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
    return browser.execute_script(script, selector)


def text(browser, selector):
    return texts(browser, selector)[0]


def outcome(browser):
    """The results' first line, once all episodes on the ground that is shown are over."""

    def whole():
        told = browser.execute_script("return {...document.getElementById('results').dataset}")
        return told.get("whole") == "true" and text(browser, "#ground-said .id").endswith(f" {told['ground']}")

    until(whole)
    return texts(browser, "#results tbody tr:first-child td")


def seen(browser, what):
    """Where the stage shows something, in pixels from its middle, as ActionChains goes by."""
    script = """const stage = document.getElementById("stage-canvas"), box = stage.getBoundingClientRect();
        stage.redraw(); // what is to be seen now, not in some frame before
        return [JSON.parse(stage.dataset[arguments[0]] ?? "[]"), box.width, box.height]"""
    ((x, y), *_), width, height = until(lambda: (found := browser.execute_script(script, what))[0] and found)
    return round(x - width / 2), round(y - height / 2)


def drag(browser, start, *way, pointer="mouse"):
    """Put a pointer down on the stage, go a way of pixels step by step, and let go."""
    kind = "touch" if pointer == "touch" else "mouse"
    chain = ActionChains(browser, duration=50, devices=[PointerInput(kind, kind)])
    chain.move_to_element_with_offset(browser.find_element("id", "stage-canvas"), *start).click_and_hold()
    for step in way:
        chain.move_by_offset(*step)
    chain.release().perform()


def press(browser, *keys):
    browser.find_element("id", "stage-canvas").send_keys(*keys)


def box(browser):
    """The box that is chosen: x, width and height in m."""
    found = re.search(r"box at ([\d.]+) m, ([\d.]+) m wide and ([\d.]+) m high", text(browser, "#stage-said"))
    return [float(number) for number in found.groups()]


def complaints(browser):
    """What the console holds against us: not that this browser draws in software, nor what we refused on purpose."""
    return [
        entry
        for entry in browser.get_log("browser")
        if "127.0.0.1" in entry["message"] and entry["source"] != "rendering" and " 403 " not in entry["message"]
    ]


def test_a_box_that_is_dragged_stops_an_agent_and_is_put_into_the_run_that_goes_on(tmp_path, browser):
    run = Run.create(tmp_path / "run", settings=SETTINGS, agent=WALKS)
    seem(browser)
    with evolving(run.folder) as process, studio(run.folder, "--edit") as (address, served):
        come_in(browser, address)
        until(lambda: "Running" in text(browser, "#standing-word"))
        # An admission arrives by itself, with its drawing.
        until(lambda: browser.find_elements("css selector", "#feed li.new[data-kind=admitted] canvas"))

        # On level ground the agent reaches the end.
        base = address.partition("/open/")[0]
        browser.get(f"{base}/#/try?run=0&from=0&agents=0")
        assert outcome(browser)[3] == "finished"
        # A box lies in its way. It is chosen by the keyboard, dragged while the agent plays, and made high by the keys.
        browser.get(f"{base}/#/try?agents=0&ground={LOW_BOX}")
        until(lambda: "1 box" in text(browser, "#ground-said"))
        press(browser, "n", Keys.SPACE)
        before = box(browser)
        drag(browser, seen(browser, "boxes"), (-40, 0), (-40, 0))
        after = box(browser)
        assert before == [30.0, 0.5, 0.5]
        assert 27 < after[0] < 29
        assert after[1:] == before[1:]
        press(browser, Keys.SHIFT, *[Keys.ARROW_UP] * 15)
        assert box(browser) == [*after[:2], 2.0]
        told = outcome(browser)
        assert told[3] != "finished"
        assert float(told[2].split()[0]) < after[0]
        # It is put in, judged like any child, and found in the archive.
        shown = text(browser, "#ground-said .id").split()[-1]
        browser.find_element("id", "inject").click()
        until(lambda: "It waits" in text(browser, "#ground-told"))
        (taken,) = until(lambda: [row for row in run.inputs() if row["niche"] is not None])
        niche = run.niches[taken["niche"]]
        assert (niche.environment.id, niche.injected) == (shown, True)
        browser.get(f"{base}/#/live")
        until(lambda: "drawn by hand" in texts(browser, f"#feed li[data-niche='{niche.id}'] .badge"))
        assert complaints(browser) == []

        # A page of another origin reads nothing, even in this browser.
        with foreign_page(base) as page:
            browser.get(page)
            assert until(lambda: browser.execute_script("return window.came")) == "refused"
        # A browser that was not let in has no business here; the address that was printed next lets it in.
        browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
        browser.get(base)
        assert "403" in browser.page_source
        come_in(browser, served.stdout.readline().strip())

        # Killed, the run is said to have stopped within 15 s.
        process.send_signal(signal.SIGKILL)
        until(lambda: "Stopped" in text(browser, "#standing-word"), 15)
    # The studio has ended: what was known last does not stand there as if it still held.
    until(lambda: "No connection" in text(browser, "#standing-word"))


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


def test_heights_are_painted_for_the_hexapod_by_mouse_finger_and_keys(tmp_path, browser):
    pytest.importorskip("pybullet")
    lame = {"start": {"physics": {"lost": 2}}}
    run = Run.create(tmp_path / "run", settings={**TINY, "domain": "hexapod3d", "encoding.options": lame})
    run.evolve(1, workers=1, rescore=False)
    seem(browser, width=900, height=800)  # which is drawn in software
    with studio(run.folder, "--edit") as (address, _):
        come_in(browser, address)
        base = address.partition("/open/")[0]
        browser.get(f"{base}/#/try?run=0&from=0")
        assert outcome(browser)
        buttons = ["pause", "whole", "auto", "tool-raise"]  # nothing plays meanwhile, before a change or after
        browser.execute_script("for (const id of arguments[0]) document.getElementById(id).click()", buttons)
        place = seen(browser, "target")
        drag(browser, place, (30, 0))
        first, high = heights(browser, "")
        drag(browser, place, (-30, 0), pointer="touch")
        second, higher = heights(browser, first)
        press(browser, "2", Keys.ARROW_LEFT * 10, Keys.ENTER)
        third, dug = heights(browser, second)
        assert top(high) > 0
        assert total(high) < total(higher)  # the strokes need not meet where the first rested longest
        assert top(dug, min) < 0
        press(browser, Keys.CONTROL, "z")
        assert heights(browser, third) == (second, higher)
        # What stands in the address is this ground, and so is what is put in.
        shown = text(browser, "#ground-said .id").split()[-1]
        link = browser.execute_script("return location.href")
        browser.get("about:blank")
        come_in(browser, link)
        until(lambda: text(browser, "#ground-said").endswith(f" {shown}"))
        browser.execute_script("for (const id of ['pause', 'inject']) document.getElementById(id).click()")
        until(lambda: "It waits" in text(browser, "#ground-told"))
        (waiting,) = run.waiting()
        environment = Environment.from_json(waiting["environment"])
        assert (environment.id, environment.genome["heights"]) == (shown, higher)
        assert environment.genome["physics"] == {"lost": 2}  # whatever ground it is on
        assert complaints(browser) == []


def top(rows, extreme=max):
    return extreme(extreme(row) for row in rows if row)


def total(rows):
    return sum(map(sum, rows))


def heights(browser, before):
    """The address of a ground that was painted just now, as another than the address before, and its heights."""
    script = "return decodeURIComponent(location.hash.split('ground=')[1] ?? '')"
    link = until(lambda: (found := browser.execute_script(script)) != before and found)
    read = """const [text, done] = arguments;
        import("/static/share.js").then((share) => share.fromText(text)).then((one) => done(one.genome.heights))"""
    return link, browser.execute_async_script(read, link)


def test_every_view_fits_a_phone_in_the_dark_without_a_complaint(tmp_path, browser):
    run = Run.create(tmp_path / "run", settings=TINY)
    run.evolve(5, workers=1, rescore=False)
    seem(browser, width=390, height=844, dark=True)
    with studio(run.folder) as (address, _):
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
        assert complaints(browser) == []

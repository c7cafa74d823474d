"""The report in a real browser, opened from a file with no network behind it."""

import json
import re

import numpy as np
import pytest
import synthetic_archive
from browser import chromium, open_page

from environments.domain import find_domain
from poet.archive import read_population, reading
from poet.inspection import transfers
from poet.report import assemble
from poet.report.data import ANGLE_UNIT, LENGTH_UNIT, gather
from poet.rows import read_blob

NICHES = 30


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "a run & <more>"
    synthetic_archive.write(folder, niches=NICHES, iterations=300)
    return folder


@pytest.fixture(scope="module")
def page(run):
    import subprocess  # noqa: PLC0415

    from runs import command, variables  # noqa: PLC0415

    path = run.parent / "report.html"
    line = command("report", run, "-o", path, "--films", 2)
    done = subprocess.run(line, env=variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def browse(page, tmp_path):
    """Open the report: browse(width=..., dark=...) is a browser for a with block."""

    def opening(**settings):
        return chromium(tmp_path / "profile", **settings)

    return opening


def texts(browser, selector):
    return [element.text for element in browser.find_elements("css selector", selector)]


def shown_niche(browser):
    found = texts(browser, "#detail:not([hidden]) h2")
    return found[0] if found else None


def painted(browser, selector):
    """How many different colours a canvas shows."""
    script = """const c = document.querySelector(arguments[0]);
        const d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer);
        return new Set(d).size;"""
    return browser.execute_script(script, selector)


def picture(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0]).toDataURL()", selector)


def test_page_opens_clean_and_says_what_the_archive_says(run, page, browse):
    with reading(run) as connection:
        (solved,) = connection.execute("SELECT count(solved) FROM niche").fetchone()
        (moves,) = connection.execute("SELECT count(source) FROM transfer").fetchone()
    with browse() as browser:
        open_page(browser, page)
        figures = dict(zip(texts(browser, "#headline dt"), texts(browser, "#headline dd"), strict=True))
        assert figures["Environments"].split()[0] == str(NICHES)
        assert figures["Solved"].split()[0] == str(solved)
        assert figures["Transfers"].split()[0] == str(moves)
        assert browser.title == "POET: a run & <more>"
        assert len(browser.find_elements("css selector", "#curves svg")) == 4
        for canvas in ("#tree canvas", "#matrix canvas", "#film-canvas", ".niche canvas"):
            browser.execute_script("document.querySelector(arguments[0]).scrollIntoView()", canvas)
            browser.execute_async_script("setTimeout(arguments[0], 100)")
            assert painted(browser, canvas) > 3, canvas
        assert browser.get_log("browser") == []


def test_niches_open_by_click_and_keys_and_close_by_escape(page, browse):
    from selenium.webdriver import ActionChains, Keys  # noqa: PLC0415

    with browse() as browser:
        open_page(browser, page)
        tree = browser.find_element("id", "tree")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", tree)
        ActionChains(browser).move_to_element_with_offset(tree, 0, 22 + 17 - tree.size["height"] // 2).click().perform()
        assert shown_niche(browser) == "Niche 0"
        assert "none: the first" in browser.find_element("id", "detail").text
        tree.send_keys(Keys.ARROW_RIGHT)
        child = shown_niche(browser)
        assert child != "Niche 0"
        assert "within the minimal criterion" in browser.find_element("id", "detail").text
        tree.send_keys(Keys.ARROW_LEFT)
        assert shown_niche(browser) == "Niche 0"
        tree.send_keys(Keys.END, Keys.ENTER)
        assert browser.switch_to.active_element.get_attribute("id") == "detail"
        chips = browser.find_elements("css selector", "#detail .chips button")
        wanted = chips[0].text
        chips[0].click()
        assert shown_niche(browser) == f"Niche {wanted}"
        ActionChains(browser).send_keys(Keys.ESCAPE).perform()
        assert shown_niche(browser) is None
        assert browser.get_log("browser") == []


def test_matrix_tells_of_accepted_and_refused_agents_by_the_keys_alone(run, page, browse):
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415

    with reading(run) as connection:
        moves = {(move["source"], move["target"]): move for move in transfers(connection)["moves"]}
    refused = next(pair for pair, move in moves.items() if move["moves"] == 0)
    accepted = next(pair for pair, move in moves.items() if move["moves"])
    with browse() as browser:
        open_page(browser, page)
        matrix = browser.find_element("css selector", "#matrix canvas")
        for source, target in (refused, accepted):
            matrix.send_keys(*[Keys.ARROW_LEFT, Keys.ARROW_UP] * NICHES)
            matrix.send_keys(*[Keys.ARROW_RIGHT] * source, *[Keys.ARROW_DOWN] * target)
            told = f"From niche {source} to {target}: {moves[source, target]['moves']} of "
            assert browser.find_element("id", "matrix-said").text.startswith(told)
        matrix.send_keys(Keys.ENTER)
        assert shown_niche(browser) == f"Niche {accepted[1]}"
        assert browser.get_log("browser") == []


def test_gallery_sorts_filters_and_searches(run, page, browse):
    from selenium.webdriver.support.ui import Select  # noqa: PLC0415

    with reading(run) as connection:
        query = "SELECT niche FROM rescore GROUP BY niche ORDER BY round(avg(return), 9) DESC, niche"
        by_worth = [row[0] for row in connection.execute(query)]
        active = {row[0] for row in connection.execute("SELECT id FROM niche WHERE retired IS NULL")}
    with browse() as browser:
        open_page(browser, page)

        def shown():
            script = "return [...document.querySelectorAll('.niche')].map((card) => Number(card.dataset.niche))"
            return browser.execute_script(script)

        Select(browser.find_element("id", "sort")).select_by_value("mean_return")
        assert shown() == by_worth
        Select(browser.find_element("id", "sort")).select_by_value("born")
        assert shown() == list(range(NICHES))
        Select(browser.find_element("id", "state")).select_by_value("active")
        assert set(shown()) == active
        browser.find_element("id", "search").send_keys("no such course")
        assert shown() == []
        assert browser.find_element("id", "count").text == f"0 of {NICHES}"
        assert browser.get_log("browser") == []


def test_animation_plays_pauses_and_scrubs(page, browse):
    with browse() as browser:
        open_page(browser, page)
        still = picture(browser, "#film-canvas")
        browser.execute_script("document.getElementById('film-section').scrollIntoView()")
        play = browser.find_element("id", "film-play")
        play.click()
        assert play.get_attribute("aria-label") == "Pause"
        time = browser.find_element("id", "film-time")
        browser.execute_async_script("setTimeout(arguments[0], 600)")
        play.click()
        reached = int(time.get_attribute("value"))
        assert 3 < reached < 60
        assert picture(browser, "#film-canvas") != still
        script = "arguments[0].value = 0; arguments[0].dispatchEvent(new Event('input'))"
        browser.execute_script(script, time)
        assert picture(browser, "#film-canvas") == still
        assert "Best agent of niche" in browser.find_element("id", "film-said").text
        assert browser.get_log("browser") == []


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark_follow_the_system_and_the_button(page, browse, dark):
    with browse(dark=dark) as browser:
        open_page(browser, page)
        script = "return getComputedStyle(document.body).backgroundColor"
        shades = []
        for _ in range(2):
            shades.append(sum(map(int, re.findall(r"\d+", browser.execute_script(script)))))
            browser.find_element("id", "theme").click()
        assert (shades[0] < 300, shades[1] < 300) == (dark, not dark)
        assert browser.get_log("browser") == []


def test_small_screen_shows_everything_without_scrolling_sideways(page, browse):
    with browse(width=390, height=800) as browser:
        open_page(browser, page)
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        browser.execute_script("document.querySelector('.niche').click()")
        box = browser.find_element("id", "detail").rect
        assert box["width"] == 390
        assert browser.execute_script("return getComputedStyle(document.getElementById('detail')).position") == "fixed"


def test_report_of_a_thousand_niches_is_small_and_opens_within_two_seconds(tmp_path, poet, browse):
    folder = tmp_path / "run"
    synthetic_archive.write(folder, niches=1000, iterations=2000)
    path = tmp_path / "report.html"
    assert poet("report", folder, "-o", path, "--films", 1).returncode == 0
    assert path.stat().st_size < 20 * 2**20
    with browse() as browser:
        milliseconds = min(open_page(browser, path) for _ in range(3))  # the machine may have others at work
        assert browser.get_log("browser") == []
    print(f"{path.stat().st_size / 2**20:.1f} MiB, {milliseconds:.0f} ms")
    assert milliseconds < 2000


def test_page_names_no_address_and_its_data_cannot_end_the_script(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=\"(?!#|data:)", text)
    assert set(re.findall(r"https?://[^\"\s]+", text)) <= {"http://www.w3.org/2000/svg"}
    evil = assemble({"title": "</script><script>alert(1)</script>"})
    assert "</script><script>alert" not in evil


def test_recorded_poses_are_the_episode_to_within_their_unit(run):
    with reading(run) as connection:
        data = gather(connection, "x", 1)
        ((niche, film),) = data["films"].items()
        environment = read_population(connection).niches[niche].environment
        (blob,) = connection.execute("SELECT best_theta FROM pair WHERE niche = ?", (niche,)).fetchone()
    domain = find_domain("walker2d")
    theta = read_blob(blob).astype(np.float32)
    import base64  # noqa: PLC0415

    packed = np.frombuffer(base64.b64decode(film["poses"]), dtype="<i2").reshape(film["frames"], 5, 3)
    played = domain.rollout(theta[None], environment, np.array([film["seed"]], dtype=np.uint64), engine="reference")
    assert film["score"] == pytest.approx(played.returns[0], abs=0.06)
    assert film["frames"] == played.lengths[0] // 2 + 1
    env = domain.make_env(environment)
    observation, _ = env.reset(seed=film["seed"])
    act = domain.controller.policy(theta)
    for frame in range(20):
        expected = env.unwrapped.poses()
        np.testing.assert_allclose(packed[frame, :, :2] * LENGTH_UNIT, expected[:, :2], atol=LENGTH_UNIT)
        np.testing.assert_allclose(packed[frame, :, 2] * ANGLE_UNIT, expected[:, 2], atol=ANGLE_UNIT)
        for _ in range(2):
            observation, *_ = env.step(act(observation))


def test_curves_add_up_to_the_archives_totals(run):
    with reading(run) as connection:
        curves = gather(connection, "x", 0)["curves"]
        later = "count(*) FILTER (WHERE solved IS NOT NULL AND archive_score BETWEEN 50 AND 300)"
        query = f"SELECT count(*), count(solved), {later} FROM niche"
        niches, solved, annecs = connection.execute(query).fetchone()
        (mean,) = connection.execute("SELECT avg(score) FROM score WHERE iteration = 299").fetchone()
    assert (curves["niches"][-1], curves["solved"][-1], curves["annecs"][-1]) == (niches, solved, annecs)
    assert curves["mean_score"][-1] == pytest.approx(mean, abs=0.01)
    assert json.dumps(curves)


def test_domain_without_pictures_gets_a_report_too(tmp_path, toy_file, poet, browse):
    assert poet("evolve", tmp_path / "run", "--config", toy_file, "--workers", 1).returncode == 0
    path = tmp_path / "report.html"
    assert poet("report", tmp_path / "run", "-o", path).returncode == 0
    with browse() as browser:
        open_page(browser, path)
        assert "No episodes were recorded" in browser.find_element("id", "film-none").text
        browser.execute_script("document.querySelector('.niche').click()")
        assert "target" in browser.find_element("id", "detail").text
        assert browser.get_log("browser") == []


@pytest.mark.parametrize(("place", "message"), [("", "it is a folder"), ("no/such/report.html", "no such folder")])
def test_page_that_cannot_be_written_is_refused(run, tmp_path, poet, place, message):
    refused = poet("report", run, "-o", tmp_path / place)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert list(tmp_path.iterdir()) == []

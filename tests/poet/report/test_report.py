"""The report in a real browser, opened from a file with no network behind it."""

import base64
import csv
import io
import json
import re
import time
import tomllib
from datetime import UTC, datetime
from xml.etree import ElementTree

import imageio.v3 as iio
import numpy as np
import pytest
import synthetic_archive
from browser import CATCH, caught, chromium, open_page, texts, wait_until

from environments.domain import Batch, find_domain
from poet.archive.inspection import transfers
from poet.archive.migrations import ES_FIGURES
from poet.archive.reading import read_population, reading
from poet.archive.rows import read_blob
from poet.archive.store import Archive
from poet.config import build, read_preset
from poet.population import first_population
from poet.report import assemble
from poet.report.data import ANGLE_UNIT, LENGTH_UNIT, gather

NICHES = 30


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "a run & <more>"
    synthetic_archive.write(folder, niches=NICHES, iterations=300)
    return folder


@pytest.fixture(scope="module")
def page(run, poet):
    path = run.parent / "report.html"
    done = poet("report", run, "-o", path, "--films", 2)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def browse(page, tmp_path):
    """Open the report: browse(width=..., dark=...) is a browser for a with block."""

    def opening(**settings):
        return chromium(tmp_path / "profile", **settings)

    return opening


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
        browser.execute_script("document.getElementById('told').open = true")
        assert texts(browser, "#figures .title") == [name.replace("_", " ") for name in ES_FIGURES]
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
        assert "none: the run began with it" in browser.find_element("id", "detail").text
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
        moment = browser.find_element("id", "film-time")
        browser.execute_async_script("setTimeout(arguments[0], 600)")
        play.click()
        reached = int(moment.get_attribute("value"))
        assert 3 < reached < 60
        assert picture(browser, "#film-canvas") != still
        script = "arguments[0].value = 0; arguments[0].dispatchEvent(new Event('input'))"
        browser.execute_script(script, moment)
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
        browser.execute_script("document.getElementById('told').open = true")
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        assert browser.execute_script("return innerWidth") == 390
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
    packed = np.frombuffer(base64.b64decode(film["poses"]), dtype="<i2").reshape(film["frames"], 5, 3)
    played = domain.run(
        Batch.of(theta[None], environment, np.array([film["seed"]], dtype=np.uint64)), engine="reference"
    )
    assert film["score"] == pytest.approx(played.returns[0], abs=0.06)
    assert film["frames"] == -(-played.lengths[0] // 2) + 1  # every second one, and the last
    env = domain.make_env(environment)
    observation, _ = env.reset(seed=film["seed"])
    act = domain.controller.policy(theta)
    for frame in range(20):
        expected = env.unwrapped.poses()
        np.testing.assert_allclose(packed[frame, :, :2] * LENGTH_UNIT, expected[:, :2], atol=LENGTH_UNIT)
        np.testing.assert_allclose(packed[frame, :, 2] * ANGLE_UNIT, expected[:, 2], atol=ANGLE_UNIT)
        for _ in range(2):
            observation, *_ = env.step(act(observation))


def unpacked(text, unit):
    return np.frombuffer(base64.b64decode(text), dtype="<i2") * unit


def test_film_knows_distance_and_return_at_each_of_its_moments(run):
    with reading(run) as connection:
        data = gather(connection, "x", 1)
        ((niche, film),) = data["films"].items()
        environment = read_population(connection).niches[niche].environment
        (blob,) = connection.execute("SELECT best_theta FROM pair WHERE niche = ?", (niche,)).fetchone()
    env = find_domain("walker2d").make_env(environment)
    act = find_domain("walker2d").controller.policy(read_blob(blob).astype(np.float32))
    observation, _ = env.reset(seed=film["seed"])
    start, places, returns, over = 20 * 14 / 30 / 2, [env.unwrapped.poses()[2, 0]], [0.0], False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(act(observation))
        over = terminated or truncated
        places.append(env.unwrapped.poses()[2, 0])
        returns.append(returns[-1] + reward)
    kept = sorted({*range(0, len(places), 2), len(places) - 1})
    distances = unpacked(film["distances"], LENGTH_UNIT)
    np.testing.assert_allclose(distances, np.array(places)[kept] - start, atol=LENGTH_UNIT)
    np.testing.assert_allclose(
        unpacked(film["returns"], film["return_unit"]), np.array(returns)[kept], atol=film["return_unit"]
    )
    assert film["course"] == pytest.approx(190 * 14 / 30 - start)


def test_film_plays_by_itself_while_it_is_seen_and_nobody_stopped_it(page, browse):
    script = "return Number(document.getElementById('film-time').value)"
    with browse(motion=True) as browser:
        open_page(browser, page)
        browser.execute_script("document.getElementById('film-section').scrollIntoView()")
        wait_until(browser, "document.getElementById('film-time').value > 3")
        play = browser.find_element("id", "film-play")
        assert play.get_attribute("aria-label") == "Pause"
        browser.execute_script("document.getElementById('about-section').scrollIntoView({behavior: 'instant'})")
        wait_until(browser, "document.getElementById('film-play').getAttribute('aria-label') === 'Play'")
        browser.execute_script("document.getElementById('film-section').scrollIntoView({behavior: 'instant'})")
        wait_until(browser, "document.getElementById('film-play').getAttribute('aria-label') === 'Pause'")
        play.click()
        stopped = browser.execute_script(script)
        browser.execute_async_script("setTimeout(arguments[0], 300)")
        assert browser.execute_script(script) == stopped
        assert browser.get_log("browser") == []
    with browse() as browser:  # the system asks for less motion
        open_page(browser, page)
        browser.execute_script("document.getElementById('film-section').scrollIntoView()")
        browser.execute_async_script("setTimeout(arguments[0], 300)")
        assert browser.execute_script(script) == 0


def saved(browser, folder, press):
    """Press a button that saves, and give what it saved."""
    for old in folder.iterdir():
        old.unlink()
    browser.execute_script("arguments[0].click()", press)
    late = time.monotonic() + 10
    while not (found := [path for path in folder.iterdir() if path.suffix in {".svg", ".png", ".csv"}]):
        assert time.monotonic() < late
        time.sleep(0.02)
    return found[0]


def test_every_figure_saves_as_svg_png_and_csv(run, page, browse):
    with browse() as browser:
        open_page(browser, page)
        browser.execute_script(CATCH)
        browser.execute_script("document.querySelector('.niche').click()")  # course and scores of a niche
        browser.execute_script("document.getElementById('told').open = true")
        names = set()
        for group in browser.find_elements("css selector", ".save"):
            files = {ending: caught(browser, group, ending) for ending in ("svg", "png", "csv")}
            assert all(file[0].endswith(f".{ending}") for ending, file in files.items())
            name = files["svg"][0].removesuffix(".svg")
            names.add(name.removeprefix("a-run-more-"))
            drawing = ElementTree.fromstring(files["svg"][1])
            assert len(list(drawing.iter())) > 8, name
            assert "var(" not in files["svg"][1].decode(), name
            image = iio.imread(files["png"][1], extension=".png")
            assert len(np.unique(image[::3, ::3, :3] @ np.array([1, 256, 65536]))) > 4, name
            width, height = (2 * float(drawing.get(side)) for side in ("width", "height"))
            assert image.shape[0] / image.shape[1] == pytest.approx(height / width, rel=0.01)
            rows = list(csv.reader(files["csv"][1].decode().splitlines()))
            assert len(rows) > 1, name
            assert {len(row) for row in rows} == {len(rows[0])}, name
            if name.endswith("family-tree"):
                with reading(run) as connection:
                    query = "SELECT niche.id, born FROM niche ORDER BY id"
                    assert [tuple(map(int, (row[0], row[2]))) for row in rows[1:]] == [
                        tuple(row) for row in connection.execute(query)
                    ]
        sections = {"environments", "scores", "active", "throughput", "map", "family-tree", "transfers", "gallery"}
        assert sections <= names
        told = {name.replace("_", "-") for name in ES_FIGURES} | set(ES_FIGURES)
        assert {name.split("-")[-1] for name in names - sections - told} == {"film", "course", "scores"}
        assert browser.get_log("browser") == []


def test_map_shows_the_genes_that_are_chosen_and_leads_to_the_niche(run, page, browse):
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415
    from selenium.webdriver.support.ui import Select  # noqa: PLC0415

    with reading(run) as connection:
        roughness = [niche.environment.genome["roughness"] for niche in read_population(connection).niches]
    with browse() as browser:
        open_page(browser, page)
        across = Select(browser.find_element("id", "map-x"))
        before = picture(browser, "#map canvas")
        across.select_by_visible_text("mean return")
        assert picture(browser, "#map canvas") != before
        across.select_by_visible_text("roughness")
        canvas = browser.find_element("css selector", "#map canvas")
        canvas.send_keys(*[Keys.ARROW_LEFT] * NICHES)
        said = browser.find_element("id", "map-said").text
        assert f"roughness {min(roughness):g}," in said
        canvas.send_keys(*[Keys.ARROW_RIGHT] * NICHES)
        said = browser.find_element("id", "map-said").text
        assert f"roughness {max(roughness):g}," in said
        canvas.send_keys(Keys.ENTER)
        assert said.startswith(f"{shown_niche(browser)}:")
        assert browser.get_log("browser") == []


def test_colours_follow_what_is_asked_for_everywhere(page, browse):
    from selenium.webdriver.support.ui import Select  # noqa: PLC0415

    def tints(browser):
        script = (
            "return [...document.querySelectorAll('.niche .swatch')].map((dot) => dot.style.getPropertyValue('--tint'))"
        )
        return browser.execute_script(script)

    with browse() as browser:
        open_page(browser, page)
        assert len(set(tints(browser))) > 8  # continuous, though all of the levels are few
        before = {selector: picture(browser, selector) for selector in ("#map canvas", "#tree canvas")}, tints(browser)
        Select(browser.find_element("css selector", "#tree-shade select")).select_by_visible_text("mean return")
        for selector in before[0]:
            assert picture(browser, selector) != before[0][selector]
        assert tints(browser) != before[1]
        chosen = browser.find_element("css selector", "#map-shade select").get_attribute("value")
        assert chosen == "mean_return"


def test_address_opens_a_niche_and_follows_what_is_opened(page, browse):
    from selenium.webdriver import ActionChains, Keys  # noqa: PLC0415

    with browse() as browser:
        open_page(browser, page)
        browser.get(f"{page.as_uri()}#niche-7")
        browser.refresh()
        wait_until(browser, "document.body.dataset.ready === 'true'")
        assert shown_niche(browser) == "Niche 7"
        browser.find_element("css selector", "[aria-label='Next niche']").click()
        assert browser.execute_script("return location.hash") == "#niche-8"
        browser.execute_script("location.hash = '#niche-3'")
        wait_until(browser, "document.querySelector('#detail h2').textContent === 'Niche 3'")
        ActionChains(browser).send_keys(Keys.ESCAPE).perform()
        assert browser.execute_script("return location.hash") == ""
        for wrong in (f"#niche-{NICHES}", "#niche-x", "#niche-1e9"):
            browser.get(page.as_uri() + wrong)
            browser.refresh()
            wait_until(browser, "document.body.dataset.ready === 'true'")
            assert shown_niche(browser) is None
        assert browser.get_log("browser") == []


def test_pointing_at_a_chart_moves_nothing_on_the_page(page, browse):
    from selenium.webdriver import ActionChains  # noqa: PLC0415

    script = """return [...document.querySelectorAll('#curves *:not(svg *)')]
        .map((element) => element.getBoundingClientRect()).map((box) => [box.x, box.y, box.width, box.height])"""
    with browse() as browser:
        open_page(browser, page)
        charts = browser.find_elements("css selector", "#curves .chart")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", charts[0])
        assert len({chart.rect["height"] for chart in charts}) == 1
        before, told = browser.execute_script(script), charts[0].text
        for across in (-120, -30, 90):
            plot = charts[0].find_element("css selector", ".plot")
            ActionChains(browser).move_to_element_with_offset(plot, across, 0).perform()
            assert charts[0].text != told
            np.testing.assert_allclose(browser.execute_script(script), before, atol=0.1)
        assert "iteration" in charts[0].find_element("css selector", "svg").text


def test_page_tells_settings_version_and_date(run, page, browse):
    from importlib.metadata import version  # noqa: PLC0415

    config = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))
    with browse() as browser:
        open_page(browser, page)
        told = browser.find_element("id", "about-section").text
        names, values = texts(browser, "#settings dt"), texts(browser, "#settings dd")
    settings = dict(zip(names, map(json.loads, values), strict=True))
    assert settings["es.pairs"] == config["es"]["pairs"]
    assert settings["encoding.options.kinds"] == config["encoding"]["options"]["kinds"]
    assert len(settings) >= 20
    assert f"poet {version('poet-trailblazer')}" in told
    assert datetime.now(UTC).strftime("%Y-%m-%d %H") in told or datetime.now(UTC).minute == 0


def test_prints_in_ink_on_white_with_drawings_as_lines(page, browse):
    with browse(dark=True) as browser:
        open_page(browser, page)
        browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        shown = """return [...document.querySelectorAll('canvas, .save, nav')]
            .filter((element) => element.getBoundingClientRect().height > 0).length"""
        assert browser.execute_script(shown) == 0
        drawings = browser.find_elements("css selector", ".paper svg")
        assert len(drawings) >= 4 + 1 + 1 + 1 + 1  # film, map, tree, matrix, gallery
        assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
        assert browser.find_elements("css selector", ".paper") == []
        assert browser.execute_script("return document.documentElement.dataset.theme") == "dark"
        assert browser.get_log("browser") == []


def test_three_hundred_niches_are_usable_on_a_phone(tmp_path, poet, browse):
    folder = tmp_path / "run"
    synthetic_archive.write(folder, niches=300, iterations=600)
    path = tmp_path / "report.html"
    assert poet("report", folder, "-o", path, "--films", 1).returncode == 0
    with reading(folder) as connection:
        moved = {(move["source"], move["target"]) for move in transfers(connection)["moves"] if move["moves"]}
    with browse(width=390, height=844) as browser:
        open_page(browser, path)
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        assert browser.execute_script("return document.documentElement.scrollHeight") < 12 * 844
        matrix = browser.find_element("css selector", "#matrix canvas")
        assert matrix.rect["width"] <= 390
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", matrix)
        # A finger lands beside a cell of one pixel: the nearest accepted move is meant.
        tap = """const box = arguments[0].getBoundingClientRect();
            const at = {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 + 6, pointerType: 'touch'};
            arguments[0].dispatchEvent(new PointerEvent('click', at))"""
        browser.execute_script(tap, matrix)
        links = texts(browser, "#matrix-said a")
        assert len(links) == 2
        assert tuple(map(int, links)) in moved
        assert shown_niche(browser) is None
        small = """return [...document.querySelectorAll('button, select, input:not([type=range])')]
            .filter((one) => one.offsetParent && !one.closest('.save'))
            .filter((one) => one.getBoundingClientRect().height < 32).length"""
        assert browser.execute_script(small) == 0
        cards = "document.querySelectorAll('.niche').length"
        first = browser.execute_script(f"return {cards}")
        assert first < 100
        browser.execute_script("document.getElementById('more').click()")
        assert browser.execute_script(f"return {cards}") > first
        assert browser.get_log("browser") == []


def test_foreign_text_is_shown_as_text_and_saved_as_text(run, tmp_path, browse):
    evil = '<img src=x onerror="window.broken=1">=1+1\x07"]]>&'
    with reading(run) as connection:
        data = gather(connection, evil, 1)
    for niche in data["niches"]:
        niche["description"] = niche["environment"] = niche["difficulty_level"] = evil
    data["niches"][1]["description"] = "=HYPERLINK(1)"
    data["summary"]["domain"] = data["summary"]["encoding"] = evil
    data["about"] = {**data["about"], "version": evil, "run_versions": [evil], "settings": [[evil, evil]]}
    for film in data["films"].values():
        film["outcome"] = evil
    path, folder = tmp_path / "evil.html", tmp_path / "saved"
    path.write_text(assemble(data), encoding="utf-8")
    folder.mkdir()
    with browse() as browser:
        open_page(browser, path)
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
        browser.execute_script("document.querySelector('.niche').click()")
        assert browser.execute_script("return window.broken") is None
        assert browser.find_elements("css selector", "img") == []
        sheet = browser.find_element("css selector", "#gallery-save [data-save=svg]")
        drawing = ElementTree.fromstring(saved(browser, folder, sheet).read_bytes())
        assert "<img src=x" in "".join(drawing.itertext())
        table = browser.find_element("css selector", "#gallery-save [data-save=csv]")
        text = saved(browser, folder, table).read_text(encoding="utf-8")
        assert "'=HYPERLINK(1)" in text
        rows = list(csv.reader(io.StringIO(text)))
        assert {len(row) for row in rows} == {len(rows[0])}
        assert browser.get_log("browser") == []


def test_curves_add_up_to_the_archives_totals(run):
    with reading(run) as connection:
        curves = gather(connection, "x", 0)["curves"]
        later = "count(*) FILTER (WHERE solved IS NOT NULL AND archive_score BETWEEN 50 AND 300)"
        query = f"SELECT count(*), count(solved), {later} FROM niche"
        niches, solved, annecs = connection.execute(query).fetchone()
        (mean,) = connection.execute("SELECT avg(score) FROM score WHERE iteration = 299").fetchone()
    assert (curves["niches"][-1], curves["solved"][-1], curves["annecs"][-1]) == (niches, solved, annecs)
    assert curves["mean_score"][-1] == pytest.approx(mean, abs=0.01)
    assert list(curves["figures"]) == list(ES_FIGURES)
    assert curves["figures"]["sigma"] == [0.05] * len(curves["iteration"])
    assert curves["figures"]["es_mean"] == pytest.approx(np.array(curves["mean_score"]) - 20, abs=0.01)  # as written
    assert json.dumps(curves)


def test_run_without_an_iteration_yet_gets_a_report_too(tmp_path, poet, browse):
    config = build(read_preset("quick"), "quick")
    Archive.create(tmp_path / "run", config, first_population(config)).close()
    path = tmp_path / "report.html"
    assert poet("report", tmp_path / "run", "-o", path).returncode == 0
    with browse() as browser:
        open_page(browser, path)
        told = browser.find_element("css selector", "main").text
        for sentence in (
            "No iteration is on disk yet",
            "No transfer has been accepted yet",
        ):
            assert sentence in told
        browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        assert browser.get_log("browser") == []


def test_niche_without_a_parent_says_whether_it_was_put_in_by_hand(run, tmp_path, browse):
    with reading(run) as connection:
        data = gather(connection, "x", 0)
    data["niches"][1]["parent"] = None  # it was not born with the run
    path = tmp_path / "report.html"
    path.write_text(assemble(data), encoding="utf-8")
    with browse() as browser:
        open_page(browser, path)
        told = []
        for number in (0, 1):
            browser.execute_script("location.hash = `#niche-${arguments[0]}`", number)
            wait_until(browser, f"document.querySelector('#detail h2')?.textContent === 'Niche {number}'")
            told.append(browser.find_element("id", "detail").text)
    assert "none: the run began with it" in told[0]
    assert "within the minimal criterion" not in told[0]
    assert "none: put in by hand" in told[1]
    assert "within the minimal criterion" in told[1]


@pytest.mark.parametrize(
    ("spent", "told"),
    [
        ({"steps": 874_960_914}, "; began with 22 pairs of original-12, into which 875 M steps had gone"),
        ({"steps": None}, "; began with 22 pairs of original-12"),
        ({}, "; began with 22 pairs of original-12"),
    ],
)
def test_a_branch_says_what_it_began_with_and_what_had_gone_into_that(run, tmp_path, browse, spent, told):
    with reading(run) as connection:
        data = gather(connection, "x", 0)
    data["summary"]["source"] = {"kind": "curriculum", "name": "original-12", "pairs": 22, **spent}
    path = tmp_path / "report.html"
    path.write_text(assemble(data), encoding="utf-8")
    with browse() as browser:
        open_page(browser, path)
        assert browser.find_element("id", "subtitle").text.endswith(told)


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


@pytest.mark.parametrize(("place", "message"), [("", "it is a folder"), ("no/such/report.html", "there is no folder")])
def test_page_that_cannot_be_written_is_refused(run, tmp_path, poet, place, message):
    refused = poet("report", run, "-o", tmp_path / place)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert list(tmp_path.iterdir()) == []

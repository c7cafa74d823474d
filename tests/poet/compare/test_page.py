"""The page of a comparison in a real browser, opened from a file with no network behind it."""

import csv
import json
import re
from xml.etree import ElementTree

import pytest
import synthetic_archive
from browser import CATCH, caught, chromium, open_page, texts, wait_until

from poet import Run

NICHES = (9, 7, 6)
SHOWN = 2  # of each in the matrix


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A page, and what `poet compare --json` says of the same."""
    folder = tmp_path_factory.mktemp("compare")
    runs = [folder / name for name in ("a <b>& run", "x/run", "y/run")]
    for seed, (run, niches) in enumerate(zip(runs, NICHES, strict=True)):
        run.parent.mkdir(exist_ok=True)
        synthetic_archive.write(run, niches=niches, iterations=40 + 30 * seed, seed=seed)
    page = folder / "page.html"
    groups = {"seeds": runs[1:], "other": runs[:1]}
    told = Run(runs[0]).compare(*runs[1:], groups=groups, output=page, niches=SHOWN, episodes=1, workers=1)
    return page, json.loads(json.dumps(told))


def choose(browser, place, value):
    from selenium.webdriver.support.ui import Select  # noqa: PLC0415

    Select(browser.find_element("id", place)).select_by_value(value)


def key_of(browser, name):
    """What the chart of a title tells of its series."""
    script = """const titled = (one) => one.querySelector('.title').textContent === arguments[0];
        const chart = [...document.querySelectorAll('#curves .chart')].find(titled);
        return [...chart.querySelectorAll('.keys li')].map((key) => key.textContent);"""
    return browser.execute_script(script, name)


def test_page_says_what_the_comparison_says_and_follows_what_is_chosen(made, tmp_path):
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415

    page, told = made
    with chromium(tmp_path / "profile") as browser:
        open_page(browser, page)
        assert browser.title == "POET: 3 runs"
        assert texts(browser, "#runs tbody label") == ["a <b>& run", "x/run", "y/run"]
        assert texts(browser, "#runs tbody td:nth-child(3)") == [str(count) for count in NICHES]
        assert texts(browser, "#differing tbody th") == [row["setting"] for row in told["settings"]]

        middle = {group["name"]: group["figures"]["niches"]["iqm"] for group in told["groups"]}
        assert middle == {"seeds": sum(NICHES[1:]) / 2, "other": NICHES[0]}
        last = {group["name"]: group["curves"]["iteration"]["niches"]["iqm"][-1] for group in told["groups"]}
        assert key_of(browser, "Admitted")[:2] == [f"{name} {value:g}" for name, value in last.items()]
        choose(browser, "as", "runs")
        assert key_of(browser, "Admitted")[:3] == [f"{run['name']} {run['niches']}" for run in told["runs"]]
        assert key_of(browser, "Admitted")[3] == "iteration 100"
        choose(browser, "axis", "core_hours")
        assert key_of(browser, "Admitted")[3].startswith("core-hours ")
        browser.find_element("css selector", "#runs input").click()
        assert [text.split(" ")[0] for text in key_of(browser, "Admitted")[:2]] == ["x/run", "y/run"]

        drawn = browser.find_element("css selector", "#cost svg").get_attribute("outerHTML")
        choose(browser, "cost-as", "share")
        assert browser.find_element("css selector", "#cost svg").get_attribute("outerHTML") != drawn

        canvas = browser.find_element("css selector", "#matrix canvas")
        canvas.send_keys(Keys.ARROW_RIGHT, *[Keys.ARROW_RIGHT] * 3, *[Keys.ARROW_DOWN] * 5)
        homes, score = told["matrix"]["niches"], told["matrix"]["returns"][5][3]
        said = browser.find_element("id", "matrix-said").text
        agent, niche = homes[5], homes[3]
        assert said.startswith(f"Agent of niche {agent['niche']} of y/run in niche {niche['niche']} of x/run (")
        (shown,) = re.findall(r"mean return (\S+),", said.replace("\N{MINUS SIGN}", "-"))
        assert float(shown) == pytest.approx(score, abs=0.051)
        before = browser.execute_script("return arguments[0].toDataURL()", canvas)
        choose(browser, "matrix-of", "solved")
        assert browser.execute_script("return arguments[0].toDataURL()", canvas) != before
        assert browser.get_log("browser") == []


@pytest.mark.slow
def test_every_figure_saves_on_a_phone_too_in_the_dark(made, tmp_path):
    page, told = made
    with chromium(tmp_path / "profile", width=390, height=800, dark=True) as browser:
        open_page(browser, page)
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        shade = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert sum(map(int, re.findall(r"\d+", shade))) < 300
        browser.execute_script(CATCH)
        tables = {}
        for group in browser.find_elements("css selector", ".save"):
            name, content = caught(browser, group, "csv")
            tables[name.removeprefix("3-runs-").removesuffix(".csv")] = list(csv.reader(content.decode().splitlines()))
            for ending in ("svg", "png"):
                if group.find_elements("css selector", f"[data-save={ending}]"):
                    name, content = caught(browser, group, ending)
                    assert content[:8] == b"\x89PNG\r\n\x1a\n" or len(list(ElementTree.fromstring(content).iter())) > 8
        curves = [group["curves"]["iteration"] for group in told["groups"]]
        known = {name for name in told["measures"] if any(set(curve[name]["iqm"]) - {None} for curve in curves)}
        assert {"annecs", "niches", "mean_score"} <= known
        assert set(tables) == {name.replace("_", "-") for name in known} | {
            "runs",
            "groups",
            "cost",
            "matrix",
            "settings",
        }
        for name, table in tables.items():
            assert len({len(row) for row in table}) == 1, name
        assert tables["niches"][0] == ["series", "iteration", "environments", "low", "high"]
        assert len(tables["matrix"]) == 1 + (SHOWN * len(NICHES)) ** 2
        cell = dict(zip(tables["matrix"][0], tables["matrix"][-1], strict=True))
        assert float(cell["mean_return"]) == told["matrix"]["returns"][-1][-1]
        wait_until(browser, "document.body.dataset.ready === 'true'")
        assert browser.get_log("browser") == []

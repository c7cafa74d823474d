"""The studio's server by plain HTTP: who is let in, what is told, what is refused."""

import gzip
import http.client
import json
import shutil
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from runs import TOY_SETTINGS, evolved
from studios import TINY, studio

from environments.domain import Batch, Environment, find_domain
from poet import InputError, Run
from poet.archive.inspection import metrics
from poet.archive.reading import reading
from poet.studio import serve
from poet.studio.curve import thinned
from poet.studio.tracking import Tracker

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

ARCHIVES = Path(__file__).parents[2] / "support/archives"
FLAT = {
    "domain": "walker2d",
    "encoding": "drawn",
    "genome": {"ground": [], "boxes": [[12.0, 0.0, 0.5, 2.0]]},
    "seed": 0,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = Run.create(tmp_path_factory.mktemp("studio") / "run", settings=TINY)
    run.evolve(5, workers=1, rescore=False)
    return run


@pytest.fixture(scope="module")
def server(run):
    """A studio, and a browser's cookie for it: (port, cookie, the token that was used, its own words of the cookie)."""
    with studio(run.folder) as (address, _):
        port, token = int(address.split(":")[2].split("/")[0]), address.rpartition("/")[2]
        answer, _ = ask(port, f"/open/{token}")
        words = answer.getheader("set-cookie")
        assert standing(port, words.partition(";")[0]) == "done"
        yield port, words.partition(";")[0], token, words


def standing(port, cookie):
    """How the first run stands, once it has been read."""
    while (found := json.loads(ask(port, "/api/runs/0", cookie=cookie)[1])["pulse"]["standing"]) == "reading":
        time.sleep(0.05)
    return found


def ask(port, path, method="GET", body=None, **headers):
    """Ask a server on this machine; gives the answer and its body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        named.setdefault("content-type", "application/json")
        body = body if isinstance(body, bytes) else json.dumps(body)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body, named)
        with connection.getresponse() as answer:
            return answer, answer.read().decode()


def test_token_opens_one_browser_once_and_its_cookie_is_for_that_browser_alone(server):
    port, cookie, token, words = server
    assert "HttpOnly" in words
    assert "SameSite=strict" in words
    assert ask(port, "/", cookie=cookie)[0].status == 200
    for path in (f"/open/{token}", "/open/guess", "/", "/api/runs", "/static/main.js", "/api/events"):
        assert ask(port, path)[0].status == 403, path
    assert ask(port, "/api/runs", cookie=f"{cookie}x")[0].status == 403


def test_another_host_and_another_origin_are_refused_even_with_the_cookie(server):
    port, cookie, *_ = server
    rebound, said = ask(port, "/api/runs", cookie=cookie, host=f"evil.example:{port}")
    assert (rebound.status, "evil.example" in said) == (403, True)
    for origin in ("http://evil.example", f"http://localhost:{port}", "null"):
        assert ask(port, "/api/runs", cookie=cookie, origin=origin)[0].status == 403, origin
    assert ask(port, "/api/runs", cookie=cookie, sec_fetch_site="cross-site", sec_fetch_mode="cors")[0].status == 403
    assert ask(port, "/api/runs", cookie=cookie, origin=f"http://127.0.0.1:{port}")[0].status == 200
    tunnelled = ask(port, "/api/runs", cookie=cookie, host="localhost:9000", origin="http://localhost:9000")
    assert tunnelled[0].status == 200
    answer, _ = ask(port, "/api/runs", cookie=cookie)
    assert answer.getheader("access-control-allow-origin") is None
    assert answer.getheader("cross-origin-resource-policy") == "same-origin"


def test_nothing_is_written_without_edit(server, run):
    port, cookie, *_ = server
    answer, said = ask(port, "/api/runs/0/inject", "POST", {"environment": FLAT}, cookie=cookie)
    assert (answer.status, "--edit" in said) == (400, True)
    assert run.waiting() == []


def test_what_a_page_sends_wrong_is_refused_in_a_sentence(server):
    port, cookie, *_ = server
    boxed = {**FLAT, "genome": {"ground": [], "boxes": [[1.0, 0.0, 0.5, 2.0]]}}
    wrong = {
        "/api/runs/0/ground": ({"environment": boxed}, "left edge of a box is 1 m"),
        "/api/runs/0/play": ({"environment": FLAT, "agents": [99]}, "99"),
        "/api/runs/7/ground": ({"environment": FLAT}, "no run 7"),
        "/api/runs/0/mutate": ({"environment": {**FLAT, "domain": "toy"}}, "walker2d"),
        "/api/runs/0/drawn": ({}, "an environment is a JSON object"),
    }
    for path, (body, words) in wrong.items():
        answer, said = ask(port, path, "POST", body, cookie=cookie)
        assert (answer.status, words in said) == (400, True), said
    answer, _ = ask(port, "/api/runs/0/ground", "POST", {}, cookie=cookie, content_type="text/plain")
    assert answer.status == 400  # which another site's form could send


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"environment": ' + "[" * 100_000, "nested too deeply"),
        (json.dumps({"environment": {**FLAT, "genome": {"ground": [[10**400, 0]], "boxes": []}}}), "300 digits"),
        (json.dumps({"environment": {**FLAT, "genome": {"ground": [[float("nan"), 0]], "boxes": []}}}), "not finite"),
        (json.dumps({"environment": {**FLAT, "encoding": "\ud800"}}), r"\ud800"),
        (json.dumps({"text": " " * 2**20}), "larger than 1 MiB"),
    ],
)
def test_hostile_documents_are_refused_in_a_sentence(server, body, words):
    port, cookie, *_ = server
    answer, said = ask(port, "/api/runs/0/ground", "POST", body.encode(), cookie=cookie)
    assert (answer.status, words in json.loads(said)["error"]) == (400, True), said


def test_niches_of_numbers_that_no_archive_holds_are_not_there(server):
    port, cookie, *_ = server
    long = "9" * 30
    assert "no niche" in ask(port, f"/api/runs/0/niches/{long}", cookie=cookie)[1]
    wanted = {"environment": FLAT, "agents": [int(long)]}
    assert "no niche" in ask(port, "/api/runs/0/play", "POST", wanted, cookie=cookie)[1]
    answer, said = ask(port, f"/api/runs/0/courses?niches=0,{'9' * 5000}", cookie=cookie)
    assert (answer.status, list(json.loads(said))) == (200, ["0"])
    longest = "9" * 5000  # Python reads no number so long
    for path in (f"/api/runs/{longest}", f"/api/runs/0/niches/{longest}", f"/api/runs/0/suites/bipedal/{longest}"):
        answer, said = ask(port, path, cookie=cookie)
        assert (answer.status, "no " in json.loads(said)["error"]) == (400, True), said
    assert "no run 9" in ask(port, f"/report/{longest}", cookie=cookie)[1]


def test_the_same_ground_waits_once_and_a_run_that_is_gone_leaves_the_others_to_compare(run, tmp_path):
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        shutil.copytree(run.folder, folder)
    with studio(*folders, "--edit") as (address, _):
        port, token = int(address.split(":")[2].split("/")[0]), address.rpartition("/")[2]
        cookie = ask(port, f"/open/{token}")[0].getheader("set-cookie").partition(";")[0]
        assert standing(port, cookie) == "done"
        first = ask(port, "/api/runs/0/inject", "POST", {"environment": FLAT}, cookie=cookie)
        again = ask(port, "/api/runs/0/inject", "POST", {"environment": FLAT}, cookie=cookie)
        assert json.loads(first[1])["iteration"] == 6
        assert (again[0].status, "waits already" in again[1]) == (400, True)
        assert len(Run.open(folders[0]).waiting()) == 1
        shutil.rmtree(folders[1])
        assert '"title":"one and three"' in ask(port, "/compare", cookie=cookie)[1]


def test_run_whose_domain_is_not_installed_is_shown_but_not_tried(tmp_path):
    archive = tmp_path / "run" / "archive.sqlite"
    archive.parent.mkdir()
    archive.write_bytes(gzip.decompress((ARCHIVES / "enhanced-3.sqlite.gz").read_bytes()))
    with studio(archive.parent, PYTHONPATH="") as (address, _):  # the toy domain is not there
        port, token = int(address.split(":")[2].split("/")[0]), address.rpartition("/")[2]
        cookie = ask(port, f"/open/{token}")[0].getheader("set-cookie").partition(";")[0]
        assert standing(port, cookie) == "done"
        answer, said = ask(port, "/api/runs/0/tools", cookie=cookie)
        assert (answer.status, "installed domains" in said) == (400, True), said
        archive.unlink()
        answer, said = ask(port, "/report/0", cookie=cookie)  # of a run that is no more: a page, not JSON
        assert answer.getheader("content-type").startswith("text/html")
        assert "holds no run" in said


def test_episodes_that_are_streamed_are_those_of_the_domain(server, run):
    port, cookie, *_ = server
    wanted = {"environment": FLAT, "agents": [0, 1], "seed": 3}
    lines = ask(port, "/api/runs/0/play", "POST", wanted, cookie=cookie)[1].splitlines()
    first, *stretches = map(json.loads, lines)
    assert first["agents"] == [0, 1]
    domain, niches = find_domain("walker2d"), run.niches
    thetas = np.stack([niches[i].agent.theta for i in (0, 1)])
    batch = Batch(thetas, (Environment(**FLAT),), np.zeros(2, dtype=np.intp), np.full(2, 3, dtype=np.uint64))
    played = domain.run(batch, episode_limit=TINY["episode_limit"])
    assert stretches[-1]["returns"][-1] == played.returns.round(1).tolist()
    assert stretches[-1]["lengths"] == played.lengths.tolist()


def test_run_is_told_as_the_archive_has_it(server, run):
    port, cookie, *_ = server
    told = json.loads(ask(port, "/api/runs/0", cookie=cookie)[1])
    assert [niche["id"] for niche in told["niches"]] == [niche.id for niche in run.niches]
    assert told["pulse"]["standing"] == "done"
    assert told["pulse"]["iteration"] == run.iteration
    assert told["pulse"]["counts"]["moves"] == run.summary()["transfers"]["accepted"]


def test_news_are_those_since_the_version_that_a_browser_has(server):
    port, cookie, *_ = server
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/api/events", headers={"cookie": cookie, "last-event-id": "another.3"})
        with connection.getresponse() as answer:
            assert answer.getheader("content-type").startswith("text/event-stream")
            lines = [answer.readline().decode().strip() for _ in range(4)]
    assert json.loads(lines[3].removeprefix("data: ")) == {"anew": True}


def test_run_read_bit_by_bit_is_the_run_read_at_once(tmp_path):
    folder, followed = tmp_path / "run", None
    for iterations in (5, 9, 10, 24):
        evolved(folder, TOY_SETTINGS, iterations)
        first, followed = followed is None, followed or Tracker(folder)
        # A page that was open before the run was read knows nothing of it: neither settings nor the whole curve.
        assert (followed.poll() == {"anew": True}) == first
    whole = Tracker(folder)
    whole.poll()
    for part in ("niches", "curve", "moves", "events"):
        assert followed.state[part] == whole.state[part], part
    with reading(folder) as connection:
        rows = metrics(connection)
    curve = whole.state["curve"]
    assert [point["niches"] for point in curve] == [row["niches"] for row in rows]
    assert [point["solved"] for point in curve] == [row["solved"] for row in rows]
    assert [point["mean_score"] for point in curve] == pytest.approx([row["mean_score"] for row in rows], abs=0.01)
    assert [point["steps"] for point in curve] == [row["steps"] for row in rows]


def test_a_branch_is_told_with_what_it_began_with(tmp_path):
    evolved(tmp_path / "first", TOY_SETTINGS, 12)
    Run.create(tmp_path / "branch", source=tmp_path / "first").evolve(1, workers=1)
    told = []
    for name in ("first", "branch"):
        tracker = Tracker(tmp_path / name)
        tracker.poll()
        told.append(tracker.state["source"])
    assert told == [None, Run.open(tmp_path / "branch").summary()["source"]]


def test_a_folder_that_holds_another_run_since_is_read_anew(tmp_path):
    folder = tmp_path / "run"
    evolved(folder, TOY_SETTINGS, 12)
    tracker = Tracker(folder)
    tracker.poll()
    assert tracker.state["pulse"]["iteration"] == 12
    shutil.rmtree(folder)
    evolved(folder, {**TOY_SETTINGS, "seed": 5}, 3)
    assert tracker.poll() == {"anew": True}
    fresh = Tracker(folder)
    fresh.poll()
    assert tracker.state["pulse"]["iteration"] == 3
    for part in ("niches", "curve", "moves", "events", "config"):
        assert tracker.state[part] == fresh.state[part], part
    assert tracker.poll() != {"anew": True}


def test_curve_that_is_thinned_keeps_totals_sums_and_means():
    rng = np.random.default_rng(0)
    points = [
        {
            "iteration": i,
            "iterations": 1,
            "steps": int(rng.integers(9)),
            "seconds": 0.5,
            "mean_score": None if i % 5 == 4 else float(i),
            "best_score": float(i),
        }
        for i in range(1000)
    ]
    thin = thinned(points, 300)
    assert len(thin) <= 300
    assert thin[-1]["iteration"] == 999
    assert sum(point["steps"] for point in thin) == sum(point["steps"] for point in points)
    assert np.average(
        [point["best_score"] for point in thin], weights=[point["iterations"] for point in thin]
    ) == pytest.approx(499.5)


def test_without_its_libraries_the_studio_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(InputError, match=r"pip install 'poet-trailblazer\[studio\]'"):
        serve([run.folder])

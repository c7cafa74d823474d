"""The studio's routes: pages, runs as they stand, news as they come, grounds, episodes, and what is put in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from html import escape
from pathlib import Path
from threading import Lock
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from cluster.executor import InProcess
from environments.documents import parse_json
from environments.plugins import NotInstalledError
from poet import archive as archives
from poet import report as reports
from poet.archive.best import best_agent
from poet.compare.comparing import MatrixSettings, compare_folders
from poet.compare.page import page_of
from poet.config import Config
from poet.errors import InputError, NoNicheError
from poet.foreign import printable, printable_values
from poet.report.data import gather
from poet.run import Run
from poet.studio import pages, trying
from poet.studio.hub import Hub
from poet.studio.tracking import Tracker

Row = dict[str, Any]

LARGEST_BODY = 2**20  # bytes
LONGEST_NUMBER = 10  # digits of a niche's
LONGEST_PLACE = 300  # digits of a number in a path that are read
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-ancestors 'self'"
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "frame-ancestors 'self'"
)
HEARTBEAT = 10.0  # s between two signs of life to a browser


class _Place(Convertor[int]):
    """A number in a path. Python refuses to read very long ones; cut short they are of nothing that there is, too."""

    regex = "[0-9]+"

    def convert(self, value: str) -> int:
        return int(value[:LONGEST_PLACE])

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("place", _Place())


class Studio:
    """What answers a browser, once the guard has let it in."""

    def __init__(self, folders: Sequence[Path], *, edit: bool) -> None:
        self.hub = Hub([Tracker(folder) for folder in folders])
        self._edit = edit
        self._reports: dict[int, tuple[int, str]] = {}
        self._injecting = Lock()

    def make_app(self) -> Starlette:
        """Put the routes together."""
        get: dict[str, Callable[[Request], Any]] = {
            "/": self.page,
            "/static/{name}": self.file,
            "/api/runs": self.runs,
            "/api/runs/{run:place}": self.run,
            "/api/runs/{run:place}/tools": self.tools,
            "/api/runs/{run:place}/courses": self.courses,
            "/api/runs/{run:place}/niches/{niche:place}": self.niche,
            "/api/runs/{run:place}/suites/{suite}/{level:place}": self.level,
            "/api/events": self.events,
            "/report/{run:place}": self.report,
            "/compare": self.compare,
        }
        post: dict[str, Callable[[Request], Any]] = {
            "/api/runs/{run:place}/ground": self.ground,
            "/api/runs/{run:place}/drawn": self.drawn,
            "/api/runs/{run:place}/mutate": self.mutate,
            "/api/runs/{run:place}/play": self.play,
            "/api/runs/{run:place}/inject": self.inject,
        }
        routes = [Route(path, each, methods=["GET"]) for path, each in get.items()]
        routes += [Route(path, each, methods=["POST"]) for path, each in post.items()]

        @asynccontextmanager
        async def living(app: Starlette) -> AsyncIterator[None]:
            task = asyncio.create_task(self.hub.watch())
            try:
                yield
            finally:
                task.cancel()

        refusals = dict.fromkeys((InputError, NoNicheError, NotInstalledError), _refused)
        return Starlette(routes=routes, lifespan=living, exception_handlers=refusals)

    # Pages

    async def page(self, request: Request) -> Response:
        """Give the studio itself."""
        return HTMLResponse(pages.shell(), headers={"Content-Security-Policy": POLICY})

    async def file(self, request: Request) -> Response:
        """Give a script or a style sheet."""
        found = pages.static(request.path_params["name"])
        if found is None:
            return PlainTextResponse("404: there is no such file\n", status_code=404)
        return Response(found[0], media_type=found[1], headers={"Cache-Control": "no-cache"})

    async def report(self, request: Request) -> Response:
        """Give the report of a run as it stands, which is this page frozen."""
        number = request.path_params["run"]
        try:
            text = await run_in_threadpool(self._report, number)
        except InputError as error:
            text = _instead("Report", error)
        return HTMLResponse(text, headers={"Content-Security-Policy": REPORT_POLICY})

    def _report(self, number: int) -> str:
        tracker = self._tracker(number)
        at = int(tracker.state["pulse"].get("iteration") or 0)
        known = self._reports.get(number)
        if known is not None and known[0] == at:
            return known[1]
        with archives.reading(tracker.folder, seen=True) as connection:
            text = reports.assemble(gather(connection, tracker.name, 0))
        self._reports[number] = (at, text)
        return text

    async def compare(self, request: Request) -> Response:
        """Give the comparison of all runs as they stand; with ?matrix=yes every agent plays in every niche first.

        Runs that cannot be read are left out; the page around it says which they are.
        """
        settings = MatrixSettings(wanted="matrix" in request.query_params)

        def page() -> str:
            folders = [tracker.folder for tracker in self.hub.trackers if _readable(tracker.folder)]
            if not folders:
                raise InputError("no run can be read any more")
            return page_of(compare_folders(folders, settings=settings, make_executor=lambda: nullcontext(InProcess())))

        try:
            text = await run_in_threadpool(page)
        except InputError as error:
            text = _instead("Compare", error)
        return HTMLResponse(text, headers={"Content-Security-Policy": REPORT_POLICY})

    # What there is

    async def runs(self, request: Request) -> Response:
        """List the runs, and say whether they may be written to."""
        listed = [
            {"name": tracker.name, "folder": str(tracker.folder), "pulse": tracker.state["pulse"]}
            for tracker in self.hub.trackers
        ]
        return JSONResponse({"runs": listed, "edit": self._edit, "version": self.hub.version})

    async def run(self, request: Request) -> Response:
        """Tell all that a page begins with."""
        tracker = self._tracker(request.path_params["run"])
        return JSONResponse({**tracker.state, "version": self.hub.version})

    async def courses(self, request: Request) -> Response:
        """Give the courses of some niches: ?niches=1,2,3."""
        tracker = self._tracker(request.path_params["run"])
        words = request.query_params.get("niches", "").split(",")
        wanted = [int(word) for word in words if word.isdecimal() and len(word) < LONGEST_NUMBER][:200]
        known = [number for number in wanted if number < len(tracker.courses)]
        return JSONResponse({number: tracker.course(number) for number in known})

    async def niche(self, request: Request) -> Response:
        """Give a niche's ground."""
        tracker, number = self._tracker(request.path_params["run"]), request.path_params["niche"]

        def look() -> Row:
            with archives.reading(tracker.folder, seen=True) as connection:
                return trying.ground_of(best_agent(connection, number).environment)

        return JSONResponse(printable_values(await run_in_threadpool(look)))

    async def tools(self, request: Request) -> Response:
        """Say what grounds can be made by hand."""
        config = self._config(request.path_params["run"])
        return JSONResponse(await run_in_threadpool(trying.tools_of, config))

    async def level(self, request: Request) -> Response:
        """Give a course of a suite."""
        config = self._config(request.path_params["run"])
        environment = trying.suite_ground(config.domain, request.path_params["suite"], request.path_params["level"])
        return JSONResponse(await run_in_threadpool(trying.ground_of, environment))

    async def events(self, request: Request) -> Response:
        """Push what is new, from what the browser has on."""
        seen = request.headers.get("last-event-id") or request.query_params.get("since", "")

        async def push() -> AsyncIterator[str]:
            yield "retry: 2000\n\n"
            async for version, news in self.hub.news(seen, HEARTBEAT):
                yield f"id: {version}\ndata: {json.dumps(news, separators=(',', ':'))}\n\n" if news else ": alive\n\n"

        return StreamingResponse(push(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    # What can be tried

    async def ground(self, request: Request) -> Response:
        """Draw the ground that a page sends."""
        config, sent = self._config(request.path_params["run"]), await _body(request)
        environment = trying.read_environment(sent.get("environment"), config.domain)
        return JSONResponse(await run_in_threadpool(trying.ground_of, environment))

    async def drawn(self, request: Request) -> Response:
        """Give a ground as points and boxes."""
        config, sent = self._config(request.path_params["run"]), await _body(request)
        environment = trying.read_environment(sent.get("environment"), config.domain)
        return JSONResponse(await run_in_threadpool(lambda: trying.ground_of(trying.drawn_from(environment))))

    async def mutate(self, request: Request) -> Response:
        """Give a child of a ground."""
        config, sent = self._config(request.path_params["run"]), await _body(request)
        environment, seed = trying.read_environment(sent.get("environment"), config.domain), sent.get("seed", 0)
        if not isinstance(seed, int) or seed < 0:
            raise InputError(f"seed is {seed!r}; it must be a whole number from 0 on")
        return JSONResponse(
            await run_in_threadpool(lambda: trying.ground_of(trying.mutated(environment, config, seed)))
        )

    async def play(self, request: Request) -> Response:
        """Play episodes and stream what is to be seen, a line of JSON a stretch."""
        number, sent = request.path_params["run"], await _body(request)
        tracker, config = self._tracker(number), self._config(number)
        wanted = await run_in_threadpool(trying.cast, tracker.folder, config, sent)

        def lines() -> Iterator[str]:
            try:
                for row in trying.play(wanted):
                    yield json.dumps(row, separators=(",", ":")) + "\n"
            except (InputError, ValueError) as error:
                yield json.dumps({"error": str(error)}) + "\n"

        return StreamingResponse(iterate_in_threadpool(lines()), media_type="application/x-ndjson")

    # Taking part

    async def inject(self, request: Request) -> Response:
        """Put an environment into a run."""
        if not self._edit:
            raise InputError("this studio only looks; start it as `poet studio --edit` to put environments into a run")
        number, sent = request.path_params["run"], await _body(request)
        tracker, config = self._tracker(number), self._config(number)
        environment = trying.read_environment(sent.get("environment"), config.domain)

        def put() -> int:
            run = Run(tracker.folder)
            with self._injecting:  # two pages, or two clicks, at once
                if any(row["environment"] == environment.to_json() for row in run.waiting()):
                    raise InputError("this ground waits already; change it to put in another")
                return run.inject(environment)

        iteration = await run_in_threadpool(put)
        return JSONResponse({"iteration": iteration, "id": environment.id})

    def _tracker(self, number: int) -> Tracker:
        if number >= len(self.hub.trackers):
            raise InputError(f"there is no run {number}")
        return self.hub.trackers[number]

    def _config(self, number: int) -> Config:
        config = self._tracker(number).config
        if config is None:
            raise InputError(f"{self._tracker(number).name} has not been read yet")
        return config


async def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": printable(str(error))}, status_code=400)


def _readable(folder: Path) -> bool:
    try:
        with archives.reading(folder, seen=True):
            return True
    except InputError:
        return False


def _instead(title: str, error: Exception) -> str:
    """Give the page that stands where another cannot be made, and says why."""
    head = f'<meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>{title}</title>'
    return f'<!doctype html><html lang="en">{head}<p>{escape(printable(str(error)))}</p></html>'


async def _body(request: Request) -> Row:
    """Read the JSON object that a page sent."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise InputError("what is sent must be application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise InputError(f"what is sent is larger than {LARGEST_BODY >> 20} MiB")
    try:
        found = parse_json(body)
    except ValueError as error:
        raise InputError(f"what is sent {error}") from error
    if not isinstance(found, dict):
        raise InputError("what is sent must be a JSON object")
    return found

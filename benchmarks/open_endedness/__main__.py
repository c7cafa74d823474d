from pathlib import Path

from benchmarks.open_endedness import runs

R = Path(__file__).parents[1] / "results" / "open_endedness"
F = Path("/tmp/oe/runs")
F.mkdir(exist_ok=True)
runs.run_all(F, runs.first_agent(R, F), 10**9, 10**9)

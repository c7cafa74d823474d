"""Rows of agents on suites, put together terrain by terrain."""

from benchmarks.agents_on_suites import TERRAINS, by_terrain, generalist, page


def rows():
    """Two agents: one is best on every terrain but the first."""
    found = []
    for number, terrain in enumerate(TERRAINS):
        for agent, mean in (("niche 0", 100.0 if number else 300.0), ("niche 1", 200.0)):
            chosen = (agent == "niche 0") == (number == 0)
            found.append(
                {
                    "terrain": terrain,
                    "agent": agent,
                    "chosen": chosen,
                    "choosing_mean": mean,
                    "courses": 1,
                    "episodes": 2,
                }
                | {"mean": mean, "interval": None, "solved": float(mean > 230), "solved_interval": None}
            )
    return found


def test_each_terrain_has_its_own_best_agent_and_all_have_one_generalist():
    found = by_terrain(rows())
    first, *others = [found[terrain]["best"]["agent"] for terrain in TERRAINS]
    assert first == "niche 0"
    assert set(others) == {"niche 1"}
    assert found[next(iter(TERRAINS))]["mean_solved"] == 0.5
    assert found[next(iter(TERRAINS))]["mean_return"] == 250
    assert generalist(rows())["agent"] == "niche 1"


def test_the_table_has_the_published_rates_beside_ours():
    kept = {"run": {"steps": 10**9, "terrains": by_terrain(rows()), "generalist": generalist(rows())}}
    text = page(kept, {})
    assert "| run: best per terrain | 1.00 billion | 1.000 | 0.000 |" in text
    assert "| ACCEL, published | - | 0.998 | 0.629 | 0.206 | 0.310 | 0.491 | 0.764 | - |" in text

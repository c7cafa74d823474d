"""What the live picture costs: a niche is put into words once, not at every redrawing."""

import io
from collections import Counter

from rich.console import Console
from runs import history_of

from poet.display.live import make_display


def test_live_picture_describes_every_niche_once_however_often_it_is_drawn(tmp_path, toy_config, monkeypatch):
    described = Counter()
    kind = type(toy_config.make_encoding())
    describe = kind.describe

    def counting(encoding, genome):
        described[str(genome)] += 1
        return describe(encoding, genome)

    steps = history_of(toy_config)
    monkeypatch.setattr(kind, "describe", counting)
    console = Console(force_terminal=True, width=100, record=True, file=io.StringIO())
    display = make_display(console, toy_config, tmp_path, steps[0][0])
    for _, journal, after in steps:
        display.iteration(after, journal, 0.1)
        console.print(display)
    display.close()
    last = steps[-1][2]
    assert set(described) == {str(niche.environment.genome) for niche in last.niches}
    assert set(described.values()) == {1}
    shown = console.export_text()
    for pair in last.pairs:
        assert describe(toy_config.make_encoding(), pair.niche.environment.genome) in shown

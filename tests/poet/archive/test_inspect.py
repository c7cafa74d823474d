"""`poet inspect` on a run of many niches, against queries of its own."""

import json
import sqlite3
import subprocess
import time

import pytest
import synthetic_archive
from runs import command, variables

from poet.archive.inspection import metrics, niche, niches, transfers
from poet.archive.reading import reading
from poet.commands.selection import Selection, State, select
from poet.errors import InputError

NICHES, ITERATIONS = 60, 900


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inspect") / "run"
    synthetic_archive.write(folder, niches=NICHES, iterations=ITERATIONS)
    return folder


@pytest.fixture(scope="module")
def listed(run):
    with reading(run) as connection:
        return niches(connection)


def ask(run, query):
    connection = sqlite3.connect(run / "archive.sqlite")
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def ids(entries):
    return [entry["id"] for entry in entries]


@pytest.mark.parametrize(
    ("state", "condition"),
    [("active", "retired IS NULL"), ("retired", "retired IS NOT NULL"), ("solved", "solved IS NOT NULL")],
)
def test_states_select_what_the_archive_says(run, listed, state, condition):
    found = select(listed, Selection(state=State(state)))
    assert ids(found) == [row[0] for row in ask(run, f"SELECT id FROM niche WHERE {condition} ORDER BY id")]
    assert found


def test_conditions_compare_columns_and_the_upper_end_of_ranges(listed):
    found = select(listed, Selection(where=["pit_gap >= 1.2", "best_score<250"]))
    expected = [
        entry["id"]
        for entry in listed
        if entry["genome"]["pit_gap"] and entry["genome"]["pit_gap"][1] >= 1.2 and entry["best_score"] < 250
    ]
    assert ids(found) == expected
    assert 0 < len(found) < NICHES


@pytest.mark.parametrize("number", ["2.5e2", "25E+1", "+250", "250.", "2500e-1"])
def test_conditions_take_numbers_as_they_are_written_elsewhere(listed, number):
    expected = [entry["id"] for entry in listed if entry["best_score"] > 250]
    assert 0 < len(expected) < NICHES
    assert ids(select(listed, Selection(where=[f"best_score>{number}"]))) == expected


def test_sorting_puts_those_without_a_value_last_either_way(listed):
    for descending in (False, True):
        found = select(listed, Selection(sort="solved", descending=descending))
        values = [entry["solved"] for entry in found]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=descending)
        assert values[len(known) :] == [None] * (NICHES - len(known))
        assert 0 < len(known) < NICHES


def test_search_finds_by_description_environment_and_difficulty(listed):
    wanted = listed[17]
    assert ids(select(listed, Selection(search=wanted["environment"][:9]))) == [17]
    assert ids(select(listed, Selection(search="FLAT"))) == [0]
    assert len(select(listed, Selection(search="easy", limit=5))) == 5


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(sort="genome"), "column 'genome' is unknown"),
        (Selection(sort="colour"), "column 'colour' is unknown; there are id, encoding, parent"),
        (Selection(where=["colour>3"]), "column 'colour' is unknown"),
        (Selection(where=["pit_gap"]), "--where 'pit_gap' is no condition; write a column, one of >= <= != > < ="),
        (Selection(where=["pit_gap>1.2.3"]), "is no condition"),
        (Selection(where=["pit_gap>1e"]), "is no condition"),
    ],
)
def test_wrong_selections_are_refused(listed, selection, message):
    with pytest.raises(InputError, match=message):
        select(listed, selection)


def test_selection_reaches_the_command_line(run, poet):
    line = ("--sort", "best_score", "--descending", "--limit", 3, "--state", "retired")
    shown = json.loads(poet("inspect", run, "niches", *line, "--json").stdout)
    query = "SELECT niche FROM pair JOIN niche ON id = niche WHERE retired IS NOT NULL ORDER BY best_score DESC LIMIT 3"
    assert ids(shown) == [row[0] for row in ask(run, query)]
    told = poet("inspect", run, "niches")
    assert "40 of 60 niches; --limit shows more" in told.stderr
    refused = poet("inspect", run, "summary", "--sort", "id")
    assert refused.returncode == 2
    assert "go with the view niches" in refused.stderr


def test_metrics_equal_a_question_asked_iteration_by_iteration(run):
    with reading(run) as connection:
        rows = metrics(connection)
    assert [row["iteration"] for row in rows] == list(range(ITERATIONS))
    for row in rows[::97]:
        at = row["iteration"]
        ((mean, best),) = ask(run, f"SELECT avg(score), max(score) FROM score WHERE iteration = {at}")
        (expected,) = ask(
            run,
            f"""SELECT count(*) FILTER (WHERE born <= {at}), count(*) FILTER (WHERE solved <= {at}),
            count(*) FILTER (WHERE solved <= {at} AND parent IS NOT NULL),
            count(*) FILTER (WHERE born <= {at} AND archive_score >= 50 AND archive_score <= 300),
            count(*) FILTER (WHERE solved <= {at} AND archive_score >= 50 AND archive_score <= 300) FROM niche""",
        )
        assert (row["mean_score"], row["best_score"]) == (pytest.approx(mean), best)
        names = ("niches", "solved", "admitted_solved", "created", "annecs")
        assert tuple(row[name] for name in names) == expected
    assert rows[-1]["annecs"] < rows[-1]["admitted_solved"]


def test_annecs_is_unknown_where_the_run_did_not_test_against_the_whole_archive(tmp_path, toy_file, poet):
    assert poet("evolve", tmp_path / "run", "--config", toy_file, "--workers", 1).returncode == 0
    with reading(tmp_path / "run") as connection:
        assert {(row["created"], row["annecs"]) for row in metrics(connection)} == {(None, None)}
    assert "ANNECS" not in poet("inspect", tmp_path / "run").stdout


def test_transfers_count_attempts_and_acceptance_of_every_two_niches(run, poet):
    with reading(run) as connection:
        figures = transfers(connection)
    for move in figures["moves"][::50]:
        both = f"source = {move['source']} AND target = {move['target']}"
        ((accepted,),) = ask(run, f"SELECT count(*) FROM transfer WHERE {both}")
        ((attempts,),) = ask(run, f"SELECT count(DISTINCT iteration) FROM proposal WHERE {both}")
        assert (move["moves"], move["attempts"]) == (accepted, attempts)
    assert sum(move["moves"] for move in figures["moves"]) == figures["accepted"]
    tried = ask(run, "SELECT DISTINCT source, target FROM proposal ORDER BY source, target")
    assert [(move["source"], move["target"]) for move in figures["moves"]] == tried
    assert any(move["moves"] == 0 for move in figures["moves"])
    assert "earlier niches are left out; --json has all" in poet("inspect", run, "transfers").stdout


def test_one_niche_tells_why_it_was_admitted_and_its_transfers(run):
    with reading(run) as connection:
        entry = niche(connection, 30)
    assert entry["first_agent"] == entry["parent"]
    assert entry["first_score"] == 61.0
    ((tried, accepted),) = ask(run, "SELECT count(*), count(source) FROM transfer WHERE target = 30")
    assert entry["transfer_attempts"] == {"tried": tried, "accepted": accepted}
    assert len(entry["transfers_in"]) == accepted
    assert len(entry["scores"]) == ask(run, "SELECT count(*) FROM score WHERE niche = 30")[0][0]


@pytest.mark.slow
def test_a_thousand_niches_and_sixty_thousand_iterations_are_looked_through_in_seconds(tmp_path):
    synthetic_archive.write(tmp_path / "run", niches=1000, iterations=60_000)
    with reading(tmp_path / "run") as connection:
        for view, allowed in ((niches, 2.0), (transfers, 5.0), (metrics, 8.0), (lambda c: niche(c, 500), 1.0)):
            started = time.perf_counter()
            assert view(connection)
            assert time.perf_counter() - started < allowed


@pytest.mark.parametrize("view", ["niches", "metrics", "timing", "transfers"])
def test_figures_are_never_cut_off_on_a_narrow_terminal(run, poet, view):
    assert "\N{HORIZONTAL ELLIPSIS}" not in poet("inspect", run, view, COLUMNS="80").stdout


def test_a_row_stays_a_line_where_no_terminal_reads_it(run):
    plain = {name: value for name, value in variables().items() if name != "COLUMNS"}
    done = subprocess.run(command("inspect", run, "lineage"), env=plain, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == NICHES + 1

"""Damaged inputs to every reader: status 0, 1 or 2, one sentence, nothing damaged, no traceback, no control character.

The attacks are `benchmarks.fuzz`'s, from a fixed seed; `python -m benchmarks.fuzz` is the long form. Below them stand,
each as a user would meet it, the causes that an earlier fuzzer found.
"""

import json
import math
import re
import resource
import subprocess
import sys
import tomllib

import pytest
from runs import command, variables

from benchmarks.fuzz import mutations
from benchmarks.fuzz.attack import attack, run, verdict
from benchmarks.fuzz.targets import AGENT, CURRICULUM, RUN, TARGETS, TRAINING, make_inputs

ATTACKS = {
    "archive": 24,
    "settings": 40,
    "assignments": 40,
    "agent": 30,
    "curriculum": 30,
    "training": 16,
    "environment": 30,
    "command line": 24,
}
LONG_ATTACKS = 150  # on each reader; `python -m benchmarks.fuzz --attacks N` goes on for longer


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    make_inputs(folder)
    return folder


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_damaged_inputs_end_in_one_sentence(inputs, target):
    findings = [attack(target, inputs, f"ci {target.name} {number}") for number in range(ATTACKS[target.name])]
    assert not any(findings), "\n".join(str(finding) for finding in findings if finding)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_very_many_damaged_inputs_end_in_one_sentence(inputs, target):
    findings = [attack(target, inputs, f"slow {target.name} {number}") for number in range(LONG_ATTACKS)]
    assert not any(findings), "\n".join(str(finding) for finding in findings if finding)


def test_attacks_reach_past_the_parsers(inputs):
    """Attacks that every reader refused at its first byte would prove little."""
    for target in TARGETS:
        if target.name not in ("archive", "agent", "environment"):
            continue  # damaged settings and curricula are others, and as such refused
        statuses = set()
        for number in range(12):
            statuses.add(_status(target, inputs, f"reach {target.name} {number}"))
        assert statuses == {0, 2}, target.name


def _status(target, inputs, seed):
    seen = []

    def note(done):
        seen.append(done.status)
        return verdict(done)

    attack(target, inputs, seed, judge=note)
    return seen[0]


def refused(done, *words, status=2):
    assert done.status == status, done.err
    assert verdict(done) is None, (verdict(done), done.err)
    for word in words:
        assert word in done.err, done.err


HUGE = "9" * 400
LONG = "9" * 5000
NESTED = "[" * 5000 + "]" * 5000


@pytest.mark.parametrize(
    ("assignment", "word"),
    [
        (f"seed={HUGE}", "a number with more than 300 digits"),
        (f"seed={LONG}", "a number with more than 300 digits"),
        (f"es.sigma={LONG}", "a number with more than 300 digits"),
        (f"es.sigma=1e{HUGE}", "it must be finite"),
        (f"seed=0x{'f' * 5000}", "a number with more than 300 digits"),
        (f"encoding.options.kinds={NESTED}", "nested too deeply; 64 levels are the most"),
        (".".join("a" * 3000) + "=1", "nested too deeply"),
        (f"seed={2**63}", "seed is 9223372036854775808; it must be in [0, 9223372036854775807]"),
    ],
)
def test_settings_that_no_number_or_table_can_hold_are_refused_by_name(inputs, assignment, word, tmp_path):
    refused(run(["evolve", str(inputs / RUN), "--set", assignment]), word)
    if "." * 50 not in assignment:
        key, _, value = assignment.partition("=")
        (tmp_path / "settings.toml").write_text(f"{key} = {value}\n", encoding="utf-8")
        done = run(["evolve", str(tmp_path / "new"), "--config", str(tmp_path / "settings.toml")])
        refused(done, word, "settings.toml")
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"seed": None}, "the seed of an environment is None; it must be a whole number"),
        ({"seed": "7"}, "the seed of an environment is '7'"),
        ({"seed": 1.5}, "the seed of an environment is 1.5"),
        ({"genome": [1]}, "the genome of an environment is [1]; it must be a JSON object"),
        ({"genome": None}, "the genome of an environment is None"),
        ({"domain": 3}, "the domain of an environment is 3; it must be text"),
        ({"genome": {"roughness": f"@raw@{LONG}@raw@"}}, "a number with more than 300 digits"),
        ({"genome": {"roughness": f"@raw@{NESTED}@raw@"}}, "nested too deeply"),
        ({"genome": {"roughness": float("nan")}}, "not finite"),
        ({"genome": {"pit_gap": [1]}}, "pit_gap is (1,)"),
        ({"genome": {"pit_gap": [None, 2]}}, "pit_gap is (None, 2)"),
    ],
)
def test_environments_of_the_wrong_types_are_refused(inputs, tmp_path, fields, word):
    whole = {"domain": "walker2d", "encoding": "parametric", "genome": {}, "seed": 0}
    text = mutations.to_json({**whole, **fields}).decode()
    line = ["render", str(inputs / RUN), "0", "-o", str(tmp_path / "film.png"), "--environment", text]
    refused(run(line), "--environment is not an environment", word)


def copy_of(inputs, tmp_path, *names):
    for name in names:
        target = tmp_path / name
        subprocess.run(["cp", "-r", inputs / name, target], check=True)
    return tmp_path


def evaluated(folder):
    where = ["--curriculum", str(folder / CURRICULUM), "--split", "train", "--episodes", "1", "--workers", "1"]
    return run(["evaluate", str(folder / AGENT), *where])


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3", "F8_E5M2", "I8", "BOOL"])
def test_agents_of_types_that_numpy_has_not_are_refused(inputs, tmp_path, kind):
    folder = copy_of(inputs, tmp_path, AGENT, CURRICULUM)
    assert evaluated(folder).status == 0
    content = mutations.retyped((folder / AGENT).read_bytes(), kind)
    (folder / AGENT).write_bytes(content)
    refused(evaluated(folder), AGENT, "save it as float32")


@pytest.mark.parametrize("limit", [float("nan"), None, "12", 0, -1, 2.5, True])
def test_a_curriculum_with_no_episode_limit_to_speak_of_is_refused(inputs, tmp_path, limit):
    from environments.tasks.curriculum import seal  # noqa: PLC0415

    folder = copy_of(inputs, tmp_path, AGENT, CURRICULUM)
    path = folder / CURRICULUM / "curriculum.json"
    document = json.loads(path.read_bytes())
    document["run"]["episode_limit"] = limit
    path.write_text(json.dumps(seal(document)), encoding="utf-8")
    refused(
        evaluated(folder),
        "curriculum.json",
        "not finite" if isinstance(limit, float) and math.isnan(limit) else "run.episode_limit is",
    )


def trained(folder):
    learner = ["--learner", "ppo", "--tasks", "1", "--copies", "1", "--iterations", "1", "--set", "hidden=4"]
    return run(["meta-train", str(folder / CURRICULUM), "-o", str(folder / TRAINING), *learner])


def test_metrics_cut_within_their_last_row_lose_that_row_aloud_and_training_goes_on(inputs, tmp_path, caplog):
    folder = copy_of(inputs, tmp_path, CURRICULUM, TRAINING)
    path = folder / TRAINING / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    done = trained(folder)
    assert done.status == 0, done.err
    assert f"{path} ends within line 1, which is left out" in caplog.text
    assert path.read_bytes() == b""


def test_metrics_damaged_within_are_refused_and_kept(inputs, tmp_path):
    folder = copy_of(inputs, tmp_path, CURRICULUM, TRAINING)
    path = folder / TRAINING / "metrics.jsonl"
    path.write_bytes(b'{"iteration": 0, "los\n')
    refused(trained(folder), "metrics.jsonl, line 1: it is not JSON")
    assert path.read_bytes() == b'{"iteration": 0, "los\n'


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("training.json", ("plan", "tasks"), "1"),
        ("training.json", ("plan", "settings"), 3),
        ("training.json", ("plan", "learner"), "genius"),
        ("training.json", ("plan",), [1]),
        ("training.json", ("found_at",), None),
        ("checkpoints.json", (0, "iteration"), "1"),
        ("checkpoints.json", (0, "iteration"), -1),
        ("checkpoints.json", (0, "file"), "../x.safetensors"),
        ("checkpoints.json", (0, "facts"), None),
        ("checkpoints.json", (0,), 3),
    ],
)
def test_trainings_of_the_wrong_types_are_refused_by_both_commands(inputs, tmp_path, name, path, value):
    folder = copy_of(inputs, tmp_path, CURRICULUM, TRAINING)
    file = folder / TRAINING / name
    document = place = json.loads(file.read_bytes())
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(document), encoding="utf-8")
    tested = ["--split", "train", "--adaptations", "0", "--episodes", "1", "--repeats", "1"]
    before = file.read_bytes()
    refused(run(["meta-test", str(folder / TRAINING), "--curriculum", str(folder / CURRICULUM), *tested]))
    refused(trained(folder))
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "line",
    [
        ("inspect", "LONG"),
        ("evolve", "LONG"),
        ("evolve", "RUN", "--config", "LONG"),
        ("render", "RUN", "0", "-o", "LONG.png"),
        ("render", "RUN", "0", "-o", "x.png", "--agent", "LONG.safetensors"),
        ("report", "RUN", "-o", "LONG.html"),
        ("export", "RUN", "-o", "LONG"),
        ("evaluate", "LONG", "--niches"),
        ("evaluate", "LONG.safetensors", "--suite", "walker"),
        ("evaluate", "RUN", "--curriculum", "LONG"),
        ("evaluate", "RUN", "--niches", "--plot", "LONG.png"),
        ("meta-train", "LONG", "--learner", "ppo", "-o", "x"),
        ("meta-train", "CURRICULUM", "--learner", "ppo", "-o", "LONG"),
        ("meta-test", "LONG"),
    ],
    ids=" ".join,
)
def test_names_of_5000_characters_are_refused_wherever_a_path_is_taken(inputs, tmp_path, line, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"LONG": "a" * 5000, "RUN": str(inputs / RUN), "CURRICULUM": str(inputs / CURRICULUM)}
    words = [word.replace("LONG", names["LONG"]) if "LONG" in word else names.get(word, word) for word in line]
    done = run(words)
    refused(done, "File name too long")
    assert len(done.err) < 500
    assert list(tmp_path.iterdir()) == []


def test_a_billion_episodes_are_refused_with_how_many_there_may_be(inputs):
    line = ["evaluate", str(inputs / RUN), "--niches", "--workers", "1", "--episodes", "1000000000"]
    refused(run(line), "--episodes is 1000000000; of 2 agents on", "it must be in [1, ")
    line = ["meta-test", str(inputs / TRAINING), "--curriculum", str(inputs / CURRICULUM), "--split", "train"]
    refused(run([*line, "--episodes", "1000000000"]), "episodes is 1000000000; it must be in [1, 10000]")
    refused(run([*line, "--repeats", "1000000000"]), "repeats is 1000000000; it must be in [1, 10000]")
    refused(run([*line, "--adaptations", "0,1000000000"]), "they must be numbers of episodes in [0, 10000]")
    refused(run(["evaluate", str(inputs / RUN), "--niches", "--workers", "1000000000"]), "in [1, 1024]")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["inspect", "x", "niche", "abc"], "[ID] is 'abc'; it must be a whole number in [0, 9223372036854775807]"),
        (["inspect", "x", "maps"], "VIEW is 'maps'; it must be one of summary, niches, "),
        (["evolve", "x", "--seed", "1.5.2"], "--seed is '1.5.2'; it must be a whole number"),
        (["evaluate", "x", "--episodes", "0"], "--episodes is '0'; it must be a whole number, at least 1"),
        (
            ["meta-train", "x", "-o", "y", "--save-every", "often"],
            "--save-every is 'often'; it must be a number, at least 0",
        ),
        (["evolve"], "Missing argument 'RUN'; see poet evolve --help"),
        (["evolve", "x", "--colour"], "No such option: --colour; see poet evolve --help"),
        (["devolve", "x"], "No such command 'devolve'. Did you mean 'evolve'? See poet --help"),
    ],
)
def test_wrong_words_get_a_sentence_of_ours_with_the_value_and_what_is_valid(line, sentence):
    refused(run(line), f"error: {sentence}")


def test_a_defect_of_ours_is_said_to_be_one_and_its_traceback_is_kept(inputs, monkeypatch, tmp_path):
    import tempfile  # noqa: PLC0415

    from poet.archive import inspection  # noqa: PLC0415

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(inspection, "summary", _defective)
    done = run(["inspect", str(inputs / RUN)])
    assert done.status == 1
    assert "this is a defect of poet-trailblazer (RuntimeError: unforeseen" in done.err
    assert verdict(done) == "let slip 'this is a defect'"
    (kept,) = tmp_path.iterdir()
    assert "Traceback" in kept.read_text(encoding="utf-8")


def _defective(connection):
    raise RuntimeError("unforeseen \x1b[31m")


def limited(limit, value):
    return lambda: resource.setrlimit(limit, (value, value))


@pytest.mark.parametrize("megabytes", [60, 120])
def test_too_little_memory_to_load_the_program_ends_in_one_sentence(inputs, tmp_path, megabytes):
    learner = ("--learner", "ppo", "--tasks", 1, "--copies", 1, "--iterations", 1)
    done = subprocess.run(
        command("meta-train", inputs / CURRICULUM, "-o", tmp_path / "trained", *learner),
        capture_output=True,
        encoding="utf-8",
        env=variables(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1"),
        preexec_fn=limited(resource.RLIMIT_AS, megabytes * 2**20),
        check=False,
    )
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("error: ") == 1
    # Where it is the linear algebra that finds no memory, that library says so itself and ends the program.
    assert re.match("error: the program cannot be loaded: .|OpenBLAS error: .", done.stderr), done.stderr


@pytest.mark.parametrize("files", [10, 24])
def test_too_few_open_files_end_in_one_sentence(inputs, tmp_path, files):
    subprocess.run(["cp", "-r", inputs / RUN, tmp_path / RUN], check=True)
    for line in (
        ("evaluate", tmp_path / RUN, "--niches", "--episodes", "1", "--workers", "12"),
        ("evolve", tmp_path / RUN, "--iterations", "5", "--workers", "12"),
    ):
        done = subprocess.run(
            command(*line),
            capture_output=True,
            encoding="utf-8",
            env=variables(),
            preexec_fn=limited(resource.RLIMIT_NOFILE, files),
            check=False,
        )
        assert done.returncode in (0, 1), (done.returncode, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        if done.returncode:
            assert done.stderr.count("error: ") == 1
            assert "too many files are open at once; raise the limit (ulimit -n)" in done.stderr, done.stderr


def test_mutations_write_what_they_mean_to():
    """The fuzzer's own writers are held against the parsers whose readers they attack."""
    tree = {"a": 1, "b": {"c": [1.5, "x"], "d": {}}, "e": float("inf")}
    assert tomllib.loads(mutations.to_toml(tree).decode()) == tree
    assert json.loads(mutations.to_json({"a": f"{mutations.RAW}12{mutations.RAW}"})) == {"a": 12}
    assert mutations.to_json({"x": "\ud800"}) == b'{"x": "\\ud800"}'
    assert sys.getrecursionlimit() < mutations.DEEP

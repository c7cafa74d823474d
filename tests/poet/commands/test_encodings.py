"""Text is UTF-8 in every file, whatever the locale of who runs the command."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import tomli_w
from runs import TOY_SETTINGS, variables

ROOT = Path(__file__).parents[3]
PACKAGES = ("poet", "environments", "evolution", "transfer", "cluster", "meta_learners", "examples", "benchmarks")
# The position of the encoding among the arguments, for those that may be given it without its name.
TAKES_ENCODING = {"read_text": 0, "write_text": 1}
NO_UTF8 = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SCRIPT = """
import locale, sys, warnings
ours = "(poet|environments|evolution|transfer|cluster|meta_learners)([.]|$)"
warnings.filterwarnings("error", category=EncodingWarning, module=ours)
from poet.cli import _run
assert locale.getencoding().upper().replace("-", "") != "UTF8", "the test's locale is not taken"
for line in sys.stdin.buffer.read().decode().split("\\n\\n"):
    sys.argv = ["poet", *line.split("\\n")]
    if (status := _run(None)) != 0:
        sys.exit(f"{sys.argv} ended with {status}")
"""


def calls_without_encoding(path):
    """Where a file reads or writes text, or runs a command for its text, and does not say in which encoding."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        textual = isinstance(named.get("text"), ast.Constant) and named["text"].value is True
        if "encoding" not in named and (textual or (name in TAKES_ENCODING and len(node.args) <= TAKES_ENCODING[name])):
            yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_no_file_of_ours_reads_or_writes_text_without_naming_its_encoding():
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 100
    assert [place for path in files for place in calls_without_encoding(path)] == []


def test_every_command_writes_utf_8_in_a_locale_of_one_byte_characters(tmp_path):
    (tmp_path / "toy.toml").write_text(tomli_w.dumps({**TOY_SETTINGS, "iterations": 6}), encoding="utf-8")
    small = {
        "iterations": 2,
        "episode_limit": 12,
        "score_episodes": 1,
        "es": {"pairs": 2},
        "minimal_criterion": {"lower": -500.0, "upper": 500.0},
        "reproduction": {"every": 1, "parent_score": -500.0, "children": 2},
        "transfer": {"every": 1},
    }
    (tmp_path / "small.toml").write_text("# höher, 地形\n" + tomli_w.dumps(small), encoding="utf-8")
    learner = ["--learner", "ppo", "--tasks", "1", "--copies", "1", "--iterations", "1", "--set", "hidden=4"]
    lines = [
        ["evolve", "toy", "--config", "toy.toml", "--workers", "1"],
        ["evolve", "run", "--config", "small.toml", "--workers", "1"],
        *[["inspect", "run", view] for view in ("summary", "niches", "lineage", "metrics", "timing")],
        ["report", "run", "-o", "page.html", "--films", "1"],
        ["export", "run", "-o", "curriculum", "--fractions", "1,0,0"],
        ["evaluate", "run", "--niches", "--episodes", "1", "--workers", "1", "--plot", "plot.png"],
        ["meta-train", "curriculum", "-o", "trained", *learner],
        ["meta-train", "curriculum", "-o", "trained", *learner],
        ["meta-test", "trained", "--split", "train", "--adaptations", "0", "--episodes", "1", "--repeats", "1"],
    ]
    environment = variables(**_one_byte_locale(tmp_path / "locales"), **NO_UTF8)
    strict = ["-X", "utf8=0", "-X", "warn_default_encoding"]
    done = subprocess.run(
        [sys.executable, *strict, "-c", SCRIPT],
        input="\n\n".join("\n".join(line) for line in lines).encode(),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-3000:]
    page = (tmp_path / "page.html").read_bytes().decode("utf-8")
    assert "◐" in page
    for path in (path for place in ("run", "curriculum", "trained") for path in (tmp_path / place).rglob("*")):
        if path.suffix in (".toml", ".json", ".jsonl", ".md"):
            path.read_bytes().decode("utf-8")
    card = (tmp_path / "curriculum" / "README.md").read_bytes().decode("utf-8")
    assert card.startswith("# A curriculum of ")
    assert json.loads((tmp_path / "curriculum" / "curriculum.json").read_bytes())["format"] == "poet-curriculum"


def _one_byte_locale(folder):
    """A locale of ISO-8859-1, which takes every byte for a character, where one can be made; else C, which is ASCII."""
    name = "en_US.ISO-8859-1"
    folder.mkdir()
    line = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(folder / name)]
    try:
        made = subprocess.run(line, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        made = False
    return {"LOCPATH": str(folder), "LC_ALL": name} if made else {"LC_ALL": "C"}


def test_names_that_the_locale_cannot_write_do_not_stop_a_command(tmp_path, toy_file, poet):
    place = tmp_path / os.fsdecode("höhe\udcff地".encode("utf-8", "surrogateescape"))
    done = poet("evolve", place, "--config", toy_file, "--iterations", 1, "--workers", 1, LC_ALL="C", **NO_UTF8)
    assert done.returncode == 0, done.stderr
    assert r"h\xf6he" in done.stderr or r"h\udcc3" in done.stderr

"""The arrows of the design: who may import whom, lazily or not, and who alone may know an engine."""

import ast
import subprocess
import sys
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from runs import SUPPORT, TOY_SETTINGS, evolved, variables

from poet.archive.store import Archive
from poet.config import build
from poet.population import first_population

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "environments": set(),
    "evolution": {"environments"},
    "transfer": {"evolution", "environments"},
    "cluster": set(),
    "meta_learners": {"environments", "evolution"},
    "poet": {"transfer", "evolution", "environments", "cluster", "meta_learners"},
}
# What meta-learners may import of it: addressed randomness and PPO's gradient steps are for everyone.
OF_EVOLUTION = {"evolution.noise", "evolution.proximal"}
GROUND = "ground"  # every file of a house that no floor names
# From the top down. A room may import what lies on lower floors and nothing else; a folder is a room, and so is a file
# of the house's own folder. So what people touch may know what it shows, and never the other way about.
FLOORS = {
    "environments": [
        {"__init__"},
        {"registration", "contracts"},
        {"walker2d", "hexapod3d"},
        {"equipped", "teachers"},
        {"tasks"},
        {"encodings"},
        {GROUND},
    ],
    "meta_learners": [
        {"few_shot_contracts"},
        {"training", "contracts"},
        {"registry"},
        {"bayesian"},
        {"gradient", "black_box", "metric", "learned_optimisers", "plastic"},
        {"few_shot"},
        {"learner"},
        {"experience"},
        {"networks", "families", "problems"},
        {GROUND},
    ],
    "poet": [
        {"__main__"},
        {"cli"},
        {"commands"},
        {"studio"},
        {"__init__"},
        {"run"},
        {"compare", "controls", "evaluate", "export", "report", "sweep"},
        {"curves", "session", "niches", "fresh", "diagnosis"},
        {"founding"},
        {"archive", "display", "page"},
        {GROUND},
    ],
}
ENGINES = [
    "Box2D",
    "pybullet",
    "mpi4py",
    "matplotlib",
    "neat",
    "pygame",
    "pyarrow",
    "tensorboardX",
    "cuda.bindings.driver",
    "cuda.bindings.nvrtc",
    "wandb",
    "environments.walker2d.native._core",
    "evolution.proximal._core",
    *(f"environments.hexapod3d.native._core{legs}" for legs in (4, 6, 8)),
]

LEARNING = {"evolution.optimisers.ppo_learning"}  # with torch; a run is read without it
LIGHT = {"meta_learners", "meta_learners.errors"}  # all else in meta_learners loads torch, which takes seconds
LAZILY = {  # other files with a function that loads torch
    "environments.agent_files",
    "environments.walker2d.device.shelf",
    "environments.walker2d.device.stepper",
    "environments.walker2d.device.worlds",
    "poet.agents",
    "poet.diagnosis",
    "poet.niches",
    "poet.commands.learning",
    "poet.sweep.cells",
}
RENAMING = {  # files that may rename: one for all of us, and what its own temporary names and a lock file need
    "environments.files",
    "poet.archive.store",  # SQLite keeps a journal beside the file, and so makes it under a name of its own
    "poet.archive.ownership",
    "poet.archive.inputs",  # a file of a user's that was refused gets another name
}


@cache
def modules():
    """Every module of ours by its dotted name, with its file."""
    found = {}
    for package in MAY_IMPORT:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


@cache
def nodes(module):
    return list(ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))))


@cache
def imports(module):
    """List (module, name taken of it or None, name it gets here) of every import, wherever in the file it stands."""
    return tuple(_imports(module))


def _imports(module):
    for node in nodes(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None, alias.asname or alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively, which hides the arrow"
            for alias in node.names:
                yield node.module, alias.name, alias.asname or alias.name
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
            for name in named_by(module, node.args[0]):
                yield name, None, ""


def named_by(module, node):
    """The texts that an expression can be: a text itself, or an entry of a table of texts in the same file."""
    if isinstance(node, ast.Subscript):
        tables = [
            each.value
            for each in nodes(module)
            if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == ast.unparse(node.value)
        ]
        found = [value for table in tables if isinstance(table, ast.Dict) for value in table.values]
    else:
        found = [node]
    texts = [each.value for each in found if isinstance(each, ast.Constant)]
    assert texts, f"{module} imports what cannot be read here: {ast.unparse(node)}"
    return texts


def called(node):
    """The last word of what a call calls."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@cache
def arrows(module):
    """The modules of ours that one imports; a string `module:name`, which somebody else imports for it, counts too."""
    found = {f"{source}.{name}" if f"{source}.{name}" in modules() else source for source, name, _ in imports(module)}
    strings = (node.value for node in nodes(module) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    found |= {text.partition(":")[0] for text in strings if ":" in text}
    return (found & set(modules())) - {module}


def house(module):
    return module.partition(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_package_imports_only_along_the_arrows(package):
    ours = [module for module in modules() if house(module) == package]
    assert ours
    for module in ours:
        others = {house(target) for target in arrows(module)} - {package}
        assert others <= MAY_IMPORT[package], f"{module} imports {others - MAY_IMPORT[package]}"


def test_meta_learners_know_of_evolution_what_is_for_everyone():
    for module in modules():
        if house(module) == "meta_learners":
            found = {target for target in arrows(module) if house(target) == "evolution"}
            assert found <= OF_EVOLUTION, f"{module} imports {found - OF_EVOLUTION}"


def floor_of(module):
    """How high a module's room lies in its house: 0 is the highest floor."""
    path = modules()[module].relative_to(ROOT / house(module))
    room = path.parts[0] if len(path.parts) > 1 else path.stem
    floors = FLOORS[house(module)]
    return next((n for n, rooms in enumerate(floors) if room in rooms), len(floors) - 1), room


@pytest.mark.parametrize("package", FLOORS)
def test_rooms_import_only_what_lies_on_lower_floors(package):
    for module in modules():
        if house(module) != package:
            continue
        floor, room = floor_of(module)
        for target in arrows(module):
            if house(target) != package:
                continue
            below, other = floor_of(target)
            on_the_ground = floor == below == len(FLOORS[package]) - 1
            assert room == other or below > floor or on_the_ground, f"{module} imports {target}, of a higher floor"


def test_no_files_import_each_other_in_a_circle():
    try:
        TopologicalSorter({module: arrows(module) for module in modules()}).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' <- '.join(error.args[1])}")


def is_of(engine, module):
    return module == engine or module.startswith(f"{engine}.")


def bindings(module, engine):
    """The names by which a module knows an engine or a part of it, also those that it gives it itself."""
    known = set()
    for source, name, bound in imports(module):
        if is_of(engine, source) or (name and is_of(engine, f"{source}.{name}")):
            known.add(bound)
    while known:
        copies = {
            ast.unparse(target)
            for node in nodes(module)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in known
            for target in node.targets
        }
        if copies <= known:
            break
        known |= copies
    return known


@cache
def importers(engine):
    """The modules that import an engine, with the names by which they know it."""
    return {module: known for module in modules() if (known := bindings(module, engine))}


@pytest.mark.parametrize("engine", ENGINES)
def test_exactly_one_file_imports_each_engine(engine):
    assert len(importers(engine)) == 1, list(importers(engine))


@pytest.mark.parametrize("engine", ENGINES)
def test_nobody_takes_an_engine_from_its_importer_but_what_that_offers(engine):
    (home, known), *_ = importers(engine).items()
    offered = {
        entry.value
        for node in nodes(home)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        for entry in node.value.elts
    }
    for module in modules():
        taken = {name for source, name, _ in imports(module) if source == home} & known
        assert taken <= offered, f"{module} takes {taken - offered} of {home}, which is {engine} by another name"


def test_a_native_core_is_touched_in_its_bodys_folder_alone():
    touching = defaultdict(set)
    for module in modules():
        doors = {bound for source, name, bound in imports(module) if name == "native"}
        for node in nodes(module):
            if isinstance(node, ast.Attribute) and node.attr == "core" and ast.unparse(node.value) in doors:
                touching[module.rpartition(".")[0]].add(module)
    assert set(touching) <= {"environments.walker2d", "environments.hexapod3d"}, dict(touching)


def of_functions(module):
    """The imports of a module that are made when a function is called, or by a type checker alone."""
    later = [node for node in nodes(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    later += [node for node in nodes(module) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    return {id(inner) for outer in later for inner in ast.walk(outer)}


def knows_torch(module):
    """Whether importing a module may take the seconds that torch takes."""
    return is_of("torch", module) or module in LEARNING or (house(module) == "meta_learners" and module not in LIGHT)


def test_torch_is_loaded_by_what_learns_by_it_and_by_few_others_when_they_need_it():
    for module in modules():
        if knows_torch(module):
            continue
        later = of_functions(module)
        for node in nodes(module):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                if any(map(knows_torch, names)):
                    assert id(node) in later, f"{module} loads torch when it is imported"
                    assert module in LAZILY or "torch" not in names, f"{module} has no business with torch"


def loaded(code, *arguments):
    """Run code in a fresh process and list which of the slow libraries it has loaded."""
    ask = "import sys; print(*sorted({'torch', 'matplotlib', 'pyarrow', 'scipy', 'mpi4py', 'cuda'} & set(sys.modules)))"
    line = [sys.executable, "-c", f"{code}\n{ask}", *map(str, arguments)]
    done = subprocess.run(line, env=variables(), cwd=SUPPORT, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1].split()


def test_importing_the_environments_loads_no_slow_library():
    names = [module for module in modules() if house(module) in ("environments", "evolution", "transfer")]
    light = [name for name in names if ".native" not in name and name not in LEARNING]
    assert loaded("\n".join(f"import {name}" for name in light)) == []


def test_evolving_loads_no_slow_library(tmp_path):
    run = evolved(tmp_path / "run", TOY_SETTINGS, iterations=2)
    code = (
        "import sys\nfrom poet.cli import main\n"
        "sys.argv = ['poet', 'evolve', sys.argv[1], '--iterations', '3', '--workers', '1']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code in (0, None), end.code"
    )
    assert loaded(code, run) == []


@pytest.mark.parametrize("optimiser", ["ppo", "cmaes"])
def test_reading_a_run_loads_no_slow_library_whatever_it_learns_by(tmp_path, optimiser):
    config = build({"optimiser": {"name": optimiser}}, "test")
    Archive.create(tmp_path / "run", config, first_population(config)).close()
    code = (
        "import sys\nfrom poet.cli import main\n"
        "sys.argv = ['poet', 'inspect', sys.argv[1]]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code in (0, None), end.code"
    )
    assert loaded(code, tmp_path / "run") == []


def test_only_the_place_that_writes_files_renames_them():
    for module in modules():
        if module in RENAMING:
            continue
        for node in nodes(module):
            if isinstance(node, ast.Call):
                paths = called(node) == "replace" and len(node.args) == 1 and not node.keywords  # a text's takes two
                moved = paths or called(node) in ("rename", "renames", "move")
                assert not moved, f"{module}: {ast.unparse(node)}; see `environments.files.writing`"

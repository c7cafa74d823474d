"""POET's outer loop, to be read beside the paper's pseudo-code.

Algorithms 1 to 4 of Wang, Lehman, Clune and Stanley 2019 (arXiv:1901.01753).
What Enhanced POET (arXiv:2003.08536) does otherwise are parts that the
configuration names: a measure of novelty and a rule of transfer; and so is the
optimiser by which agents learn. An iteration is a function of the population it
starts from and the configuration: whoever holds the population between two
iterations can go on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from environments.domain import Genome, Outcome
from evolution.evaluator import Evaluator
from evolution.minimal_criterion import Verdict
from evolution.noise import Key, Stream, keyed_rng
from evolution.optimisers.optimiser import State
from evolution.reproduction import Child, bear_children
from poet.config import Config
from poet.learning import Learned, learn, score_key
from poet.novelty import Measure, archive_score
from poet.phases import Phase
from poet.population import Archived, Niche, Pair, Population
from poet.records import ChildRecord, Decision, Input, Journal, Origin, ScoreRecord, TransferRecord
from transfer.confirmation import Rematch, confirm
from transfer.rules import RULES
from transfer.tournament import (
    Candidate,
    Incumbent,
    Target,
    Tournament,
    Visitor,
    best,
    evaluate_candidates,
    evaluate_unchanged,
)

LONGEST_STRETCH = 25  # iterations that a pair may be ahead of another, which an interruption would cost


def nothing(iteration: int) -> Sequence[Input]:
    """Give what people put into a run that is left to itself."""
    return ()


def evolve(
    population: Population,
    config: Config,
    evaluator: Evaluator,
    inputs: Callable[[int], Sequence[Input]] = nothing,
) -> Iterator[tuple[Population, Journal]]:
    """Run iteration after iteration from where the population stands, to the configured number (algorithm 2).

    `inputs` tells what people put in for the reproduction of an iteration.
    """
    while population.iteration < config.iterations:
        journals = [Journal(iteration) for iteration in stretch(population.iteration, config)]
        if config.reproduction.due(population.iteration):
            population = reproduce(population, config, evaluator, journals[0], inputs(population.iteration))
        for journal, pairs in zip(journals, optimise(population, config, evaluator, journals), strict=True):
            population = replace(population, pairs=pairs)
            if config.transfer.due(journal.iteration):
                population = transfer(population, config, evaluator, journal)
            for pair in population.pairs:
                if config.archive.keeps(journal.iteration, pair.niche.born):
                    journal.keep(pair, Origin.CHECKPOINT)
            journal.tally = evaluator.take_tally()
            population = replace(population, iteration=journal.iteration + 1)
            yield population, journal


def stretch(iteration: int, config: Config) -> range:
    """Say which iterations, from this one on, no pair meets another in before the last one's transfers."""
    last = iteration
    while not (
        config.transfer.due(last)
        or config.reproduction.due(last + 1)
        or last + 1 == config.iterations
        or last + 1 - iteration == LONGEST_STRETCH
    ):
        last += 1
    return range(iteration, last + 1)


def reproduce(
    population: Population, config: Config, evaluator: Evaluator, journal: Journal, inputs: Sequence[Input] = ()
) -> Population:
    """Admit children that meet the minimal criterion, most novel first; retire the oldest (algorithm 3).

    What people put in is tried among the children.
    """
    parents = [
        (pair.niche.id, pair.niche.environment)
        for pair in population.pairs
        if pair.score is not None and pair.score >= config.reproduction.parent_score
    ]
    if not parents and not inputs:
        return population
    settings, seed, at = config.reproduction, config.seed, journal.iteration
    children = bear_children(parents, config.encoding_of, settings, seed, at) if parents else []
    # One tournament after another: the first child tried is mostly admitted, and ends it.
    for child, record in _screen(children, inputs, population, config, evaluator, journal):
        if child.environment.genome in _active_genomes(population):
            journal.children.append(replace(record, decision=Decision.DUPLICATE))
            continue
        if len(journal.admitted) == config.reproduction.admitted:
            journal.children.append(replace(record, decision=Decision.OUTRANKED))
            continue
        candidates = _audition(child, population, config, evaluator, journal.iteration)
        heard = replace(record, candidates=candidates)
        verdict = config.minimal_criterion.verdict(best(candidates).score)
        if verdict is Verdict.MET:
            if config.reproduction.whole_archive:
                heard = _meet_everyone(heard, population, config, evaluator, journal)
            population = _admit(child, heard, population, config, journal)
        else:
            too_hard = verdict is Verdict.TOO_HARD
            decision = Decision.TRANSFER_TOO_HARD if too_hard else Decision.TRANSFER_TOO_EASY
            journal.children.append(replace(heard, decision=decision))
    return _retire_oldest(population, config.reproduction.capacity, journal).remember(journal.performances)


def optimise(
    population: Population, config: Config, evaluator: Evaluator, journals: Sequence[Journal]
) -> Iterator[tuple[Pair, ...]]:
    """Take one step of the optimiser an iteration in every active pair, and score every agent in its own environment.

    Iterations are given in order, as soon as all pairs have done them.
    """
    pairs, iterations = population.pairs, [journal.iteration for journal in journals]
    rounds = learn(pairs, config.make_optimiser(), evaluator, iterations, config.episodes_per_score)
    for journal, learned in zip(journals, rounds, strict=True):
        pairs = tuple(
            _note_step(pair, one, config, evaluator, journal) for pair, one in zip(pairs, learned, strict=True)
        )
        yield pairs


def _note_step(pair: Pair, learned: Learned, config: Config, evaluator: Evaluator, journal: Journal) -> Pair:
    own, score = learned.own, float(learned.own.returns.mean())
    solved = own.count(Outcome.FINISHED) == config.episodes_per_score and score >= evaluator.domain.solved_return
    outcomes, steps = [own.count(outcome) for outcome in Outcome], round(float(own.lengths.mean()))
    journal.scores.append(ScoreRecord(pair.niche.id, score, outcomes, steps, learned.figures))
    return replace(pair, learner=learned.state).note_score(score, journal.iteration, solved)


def transfer(population: Population, config: Config, evaluator: Evaluator, journal: Journal) -> Population:
    """Try every agent in every other environment, directly and fine-tuned; better ones move in (algorithm 4)."""
    if len(population.pairs) < 2:
        return population
    targets = [
        Target(
            environment=pair.niche.environment,
            learner=pair.learner,
            visitors=[visitor for visitor in _visitors(population) if visitor.niche != pair.niche.id],
            noise_key=(Phase.TRANSFER, journal.iteration, pair.niche.id),
            # The episodes of the incumbent's own score, so that luck favours nobody.
            score_key=score_key(pair, journal.iteration),
            episodes=config.episodes_per_score,
        )
        for pair in population.pairs
    ]
    incumbents = [Incumbent(pair.score, pair.recent) for pair in population.pairs if pair.score is not None]
    results = RULES[config.transfer.rule](evaluator, "transfer", targets, incumbents, config.make_optimiser())
    if config.transfer.confirm:
        results = _confirmed(results, targets, population, config, evaluator, journal.iteration)
    pairs = []
    for pair, result in zip(population.pairs, results, strict=True):
        assert pair.score is not None  # optimise has just scored it
        journal.transfers.append(TransferRecord(pair.niche.id, pair.score, result.candidates, result.winner))
        pairs.append(_move_in(result, pair, population, config, journal) if result.winner else pair)
    return replace(population, pairs=tuple(pairs))


def _confirmed(
    results: Sequence[Tournament],
    targets: Sequence[Target],
    population: Population,
    config: Config,
    evaluator: Evaluator,
    iteration: int,
) -> list[Tournament]:
    """Let winners and incumbents meet again on episodes that chose nobody."""
    rematches = [
        Rematch(result, target, pair.niche.id, pair.learner.theta, (Phase.CONFIRM, iteration, pair.niche.id))
        for pair, result, target in zip(population.pairs, results, targets, strict=True)
    ]
    return confirm(evaluator, "transfer", rematches, config.transfer.confirm)


def _move_in(result: Tournament, pair: Pair, population: Population, config: Config, journal: Journal) -> Pair:
    """Put a better agent in the incumbent's place; the archive keeps both."""
    assert result.winner is not None
    journal.keep(pair, Origin.MOVED_OUT)
    key = (Phase.TRANSFER, journal.iteration, pair.niche.id)
    served = pair.move_in(_moved(result.winner, key, population, config), result.mover_score, journal.iteration)
    journal.keep(served, Origin.MOVED_IN, result.winner.source)
    return served


def _moved(mover: Candidate, key: Key, population: Population, config: Config) -> State:
    """Give what a mover goes on with: its own optimiser's state, or a fresh one, as `transfer.restart` says."""
    rng = keyed_rng(config.seed, Stream.OPTIMISER, *key)
    source = _learner_of(mover.source, population)
    return config.make_optimiser().moved(source, mover.theta, config.transfer.restart, rng)


def _learner_of(niche: int, population: Population) -> State:
    return next(pair.learner for pair in population.pairs if pair.niche.id == niche)


def _visitors(population: Population) -> list[Visitor]:
    return [Visitor(pair.niche.id, pair.learner.theta) for pair in population.pairs]


def _screen(
    children: list[Child],
    inputs: Sequence[Input],
    population: Population,
    config: Config,
    evaluator: Evaluator,
    journal: Journal,
) -> list[tuple[Child, ChildRecord]]:
    """Keep the children, and what people put in, that meet the minimal criterion, most novel first."""
    passed = [
        *_tried_with_parents(children, population, config, evaluator, journal),
        *_tried_with_everyone(inputs, population, config, evaluator, journal),
    ]
    if not passed:
        return []
    measure: Measure = config.find_measure()
    found = measure([child.environment for child, _ in passed], population, config, evaluator, journal)
    ranked = zip(passed, found, strict=True)
    records = [(child, replace(record, novelty=novelty)) for (child, record), novelty in ranked]
    return sorted(records, key=lambda entry: -(entry[1].novelty or 0.0))


def _tried_with_parents(
    children: Sequence[Child], population: Population, config: Config, evaluator: Evaluator, journal: Journal
) -> list[tuple[Child, ChildRecord]]:
    """Keep the children that meet the minimal criterion with their parent's agent."""
    active = _active_genomes(population)
    fresh = []
    for child in children:
        if child.environment.genome in active:
            journal.children.append(_child_record(child, Decision.DUPLICATE))
        else:
            fresh.append(child)
    agents = {pair.niche.id: pair.learner.theta for pair in population.pairs}
    rollouts = evaluator.run(
        "children",
        [
            evaluator.score_request(
                agents[child.parent],
                child.environment,
                (Phase.CHILD, journal.iteration, child.number),
                config.episodes_per_score,
            )
            for child in fresh
        ],
    )
    passed = []
    for child, tried in zip(fresh, rollouts, strict=True):
        score = float(tried.returns.mean())
        verdict = config.minimal_criterion.verdict(score)
        if verdict is not Verdict.MET:
            decision = Decision.TOO_HARD if verdict is Verdict.TOO_HARD else Decision.TOO_EASY
            journal.children.append(_child_record(child, decision, score))
            continue
        passed.append((child, _child_record(child, Decision.ADMITTED, score)))
    return passed


def _tried_with_everyone(
    inputs: Sequence[Input], population: Population, config: Config, evaluator: Evaluator, journal: Journal
) -> list[tuple[Child, ChildRecord]]:
    """Keep what people put in that meets the minimal criterion with the best of all active agents: it has no parent.

    That agent's niche stands in the parent's place from here on, in the audition too.
    """
    numbers = range(config.reproduction.children, config.reproduction.children + len(inputs))
    fresh: list[tuple[int, Input]] = []
    for number, entry in zip(numbers, inputs, strict=True):
        genome = entry.environment.genome
        equal = [pair.niche.id for pair in population.pairs if pair.niche.environment.genome == genome]
        if equal:
            record = _child_record(Child(number, equal[0], entry.environment), Decision.DUPLICATE)
            journal.children.append(replace(record, input=entry))
        else:
            fresh.append((number, entry))
    requests = [
        evaluator.score_request(
            pair.learner.theta, entry.environment, (Phase.CHILD, journal.iteration, number), config.episodes_per_score
        )
        for number, entry in fresh
        for pair in population.pairs
    ]
    rollouts = iter(evaluator.run("children", requests) if requests else ())
    passed = []
    for number, entry in fresh:
        scores = {pair.niche.id: float(next(rollouts).returns.mean()) for pair in population.pairs}
        judge = max(scores, key=lambda niche: scores[niche])
        child = Child(number, judge, entry.environment)
        verdict = config.minimal_criterion.verdict(scores[judge])
        decisions = {Verdict.TOO_HARD: Decision.TRANSFER_TOO_HARD, Verdict.TOO_EASY: Decision.TRANSFER_TOO_EASY}
        decision = decisions.get(verdict, Decision.ADMITTED)
        record = replace(_child_record(child, decision, scores[judge]), input=entry)
        if verdict is Verdict.MET:
            passed.append((child, record))
        else:
            journal.children.append(record)
    return passed


def _active_genomes(population: Population) -> list[Genome]:
    return [pair.niche.environment.genome for pair in population.pairs]


def _child_record(child: Child, decision: Decision, score: float | None = None) -> ChildRecord:
    return ChildRecord(child.number, child.parent, child.environment, decision, score)


def _audition(
    child: Child, population: Population, config: Config, evaluator: Evaluator, iteration: int
) -> list[Candidate]:
    """Try every agent in a new environment, directly and fine-tuned; where none may move, the parent's as it is."""
    moves, optimiser = config.transfer.moves, config.make_optimiser()
    visitors = [visitor for visitor in _visitors(population) if moves or visitor.niche == child.parent]
    parent, key = _learner_of(child.parent, population), (Phase.CHILD, iteration, child.number)
    rng = keyed_rng(config.seed, Stream.OPTIMISER, *key)
    target = Target(
        environment=child.environment,
        # What its parent's agent would go on with here: afresh, as published, or as `transfer.restart` says.
        learner=optimiser.moved(parent, parent.theta, config.transfer.restart, rng),
        visitors=visitors,
        noise_key=key,
        # Not the episodes of the screening: the second judgement must not rest on the first one's luck.
        score_key=(Phase.AUDITION, iteration, child.number),
        episodes=config.episodes_per_score,
    )
    evaluate = evaluate_candidates if moves else evaluate_unchanged
    return evaluate(evaluator, "children", [target], optimiser)[0]


def _meet_everyone(
    record: ChildRecord, population: Population, config: Config, evaluator: Evaluator, journal: Journal
) -> ChildRecord:
    """Note the best score that any agent reaches in a child: those of its audition, and the archived ones."""
    score = archive_score(record.environment, population, config, evaluator, journal)
    return replace(record, archive_score=max(score, best(record.candidates).score))


def _admit(child: Child, record: ChildRecord, population: Population, config: Config, journal: Journal) -> Population:
    """Pair a new niche with the agent that serves it best."""
    chosen = best(record.candidates)
    parent = None if record.input else child.parent
    niche = Niche(len(population.niches), child.environment, parent, journal.iteration, record.archive_score)
    key = (Phase.CHILD, journal.iteration, child.number)
    pair = Pair.admitted(niche, _moved(chosen, key, population, config), chosen.score)
    journal.admitted.append(niche)
    journal.children.append(replace(record, niche=niche.id))
    journal.keep(pair, Origin.ADMITTED, chosen.source)
    return replace(population, pairs=(*population.pairs, pair), niches=(*population.niches, niche))


def _retire_oldest(population: Population, capacity: int, journal: Journal) -> Population:
    """Let the oldest pairs go until the rest fit; the archive keeps them."""
    surplus = max(len(population.pairs) - capacity, 0)
    for pair in population.pairs[:surplus]:
        journal.retired.append(pair)
        journal.keep(pair, Origin.RETIRED)
    archived = [Archived(pair.niche, journal.iteration, pair.solved, pair.learner.theta) for pair in journal.retired]
    return replace(population, pairs=population.pairs[surplus:], archived=(*population.archived, *archived))

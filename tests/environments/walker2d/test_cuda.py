"""The walker on a card, where there is one: the checks of `benchmarks.gpu_check`, one by one.

Without one, what they say of engines that are wrong is tested in `tests/benchmarks/test_gpu_check.py`.
"""

import pytest

from benchmarks.gpu_check.agreement import check_edges, check_episodes, check_repeats
from benchmarks.gpu_check.engine import check_engine
from benchmarks.gpu_check.failures import check_failing_kernel, check_full_card, check_refusals
from benchmarks.gpu_check.learners import TRAININGS, check_one, make_curriculum
from benchmarks.gpu_check.runs import check_archives, check_resumes
from benchmarks.gpu_check.sanitizing import check_sanitizer
from benchmarks.gpu_check.stepping import check_steps
from benchmarks.gpu_check.target import SkippedError, find_card, find_target

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(find_card() is None, reason="there is no GPU"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def target(monkeypatch):
    monkeypatch.setenv("POET_CUDA_FEWEST", "1")  # a single episode, too, goes to the card
    return find_target()


def test_the_engine_works_and_auto_takes_it(target):
    check_engine(target, print)


@pytest.mark.parametrize("check", [check_episodes, check_edges, check_repeats])
def test_episodes_on_the_card_equal_the_native_engines_in_every_bit(target, check):
    check(target, print)


def test_a_million_steps_of_worlds_on_the_card_equal_the_native_engines(target):
    check_steps(target, print)


@pytest.mark.parametrize("check", [check_archives, check_resumes])
def test_runs_on_the_card_give_the_archives_of_the_processor(target, check, tmp_path):
    check(target, print, tmp_path)


def test_what_cannot_be_is_refused_in_a_sentence(target, tmp_path):
    check_refusals(target, print, tmp_path)


def test_a_kernel_that_fails_ends_a_run_in_a_sentence_and_its_archive_is_whole(target, tmp_path):
    check_failing_kernel(target, print, tmp_path)


def test_a_full_card_is_a_sentence_or_no_matter(target):
    check_full_card(target, print)


def test_compute_sanitizer_finds_nothing(target):
    try:
        check_sanitizer(target, print)
    except SkippedError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def curriculum(tmp_path_factory):
    return make_curriculum(tmp_path_factory.mktemp("curriculum"))


@pytest.mark.parametrize("training", TRAININGS)
def test_learners_train_on_the_card_and_resume_to_the_same_bits(target, curriculum, training, tmp_path):
    check_one(target, curriculum, tmp_path, training)

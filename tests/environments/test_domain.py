import json

import numpy as np
import pytest

from environments.domain import Environment, Rollouts, find_domain, id_of

ROUGH = Environment(domain="walker2d", encoding="parametric", genome={"roughness": 1.2, "pit_gap": [0, 0.8]}, seed=7)


def test_environment_survives_json_exactly():
    assert Environment.from_json(ROUGH.to_json()) == ROUGH


def test_environment_id_depends_on_content_and_not_on_the_order_of_keys():
    reordered = Environment.from_json(json.dumps(dict(reversed(json.loads(ROUGH.to_json()).items()))))
    assert reordered.id == ROUGH.id
    other = Environment(domain="walker2d", encoding="parametric", genome=ROUGH.genome, seed=8)
    assert other.id != ROUGH.id


def test_environment_id_is_what_it_was_when_this_was_written():
    assert ROUGH.id == "99cd210c12b9b97c"


def test_environment_refuses_other_keys():
    with pytest.raises(ValueError, match="keys domain, encoding, genome, seed"):
        Environment.from_json('{"domain": "walker2d"}')


def test_unknown_domain_is_refused_with_those_installed():
    with pytest.raises(ValueError, match=r"domain is 'flyer'; installed domains are .*walker2d"):
        find_domain("flyer")


def test_a_third_partys_domain_is_found_by_its_entry_point():
    assert find_domain("toy").name == "toy"


@pytest.mark.parametrize("name", ["walker2d", "hexapod3d"])
def test_environments_refuse_seeds_and_actions_of_no_use(name):
    domain = find_domain(name)
    env = domain.make_env(Environment(domain=name, encoding="parametric", genome={}, seed=0))
    with pytest.raises(ValueError, match=r"seed is 18446744073709551616; a seed lies in \[0, 2\^64\)"):
        env.reset(seed=2**64)
    env.reset(seed=2**64 - 1)
    size = env.action_space.shape[0]
    with pytest.raises(ValueError, match=rf"the action has shape \(3,\); it must be \({size},\)"):
        env.step(np.zeros(3))
    observation, *_ = env.step(np.zeros(size))  # and the episode goes on
    assert np.isfinite(observation).all()
    env.close()


@pytest.mark.parametrize(
    "seed", [None, True, False, 1.0, np.float64(3), -1, 2**64, pytest.param(10**5000, id="of 5,000 digits"), "7", [1]]
)
def test_a_seed_that_is_no_whole_number_in_range_is_refused(seed):
    with pytest.raises(ValueError, match=r"^seed is .*\[0, 2\^64\)"):
        Environment(domain="walker2d", encoding="parametric", genome={}, seed=seed)


def test_numpys_numbers_in_a_genome_and_seed_are_plain_numbers():
    numpys = Environment(
        domain="walker2d",
        encoding="parametric",
        genome={"roughness": np.float64(1.2), "pit_gap": np.array([0, 0.8]), "stair_steps": np.int32(2)},
        seed=np.uint32(7),
    )
    plain = Environment(
        domain="walker2d",
        encoding="parametric",
        genome={"roughness": 1.2, "pit_gap": [0.0, 0.8], "stair_steps": 2},
        seed=7,
    )
    assert numpys == plain
    assert numpys.to_json() == plain.to_json()
    assert type(numpys.seed) is int
    single = Environment(domain="walker2d", encoding="parametric", genome={"roughness": np.float32(1.5)}, seed=0)
    observation = find_domain("walker2d").make_env(single).reset(seed=0)[0]
    twin = Environment(domain="walker2d", encoding="parametric", genome={"roughness": 1.5}, seed=0)
    np.testing.assert_array_equal(observation, find_domain("walker2d").make_env(twin).reset(seed=0)[0])


@pytest.mark.parametrize("domain", ["walker2d", "hexapod3d"])
def test_encodings_check_numpys_numbers_like_plain_ones(domain):
    encoding = find_domain(domain).encoding("parametric", {})
    gene = {"walker2d": "roughness", "hexapod3d": "hills"}[domain]
    encoding.check({gene: np.float32(0.5)})
    np.testing.assert_array_equal(encoding.vector({gene: np.float32(0.5)}), encoding.vector({gene: 0.5}))
    with pytest.raises(ValueError, match=f"{gene} is 99.0; it must lie in"):
        encoding.check({gene: np.float64(99)})


@pytest.mark.parametrize("genome", [{"roughness": {1, 2}}, {"roughness": object()}, [1], None])
def test_a_genome_that_json_cannot_hold_is_refused(genome):
    with pytest.raises(ValueError, match=r"a genome has numbers, text|genome is .*; it must be a table of genes"):
        Environment(domain="walker2d", encoding="parametric", genome=genome, seed=0)


def test_a_gene_of_minus_zero_is_zero_and_old_archives_keep_their_hashes():
    def flat(make, zero):
        return make(
            domain="walker2d", encoding="parametric", genome={"roughness": zero, "pit_gap": [zero, 1.0]}, seed=0
        )

    assert flat(Environment, -0.0).id == flat(Environment, 0.0).id
    old = flat(Environment.as_written, -0.0)
    assert old.id == "ab1ce74d9290922a"
    assert Environment.from_json(old.to_json()).id == flat(Environment, 0.0).id
    assert flat(Environment.as_written, 0.0).id == flat(Environment, 0.0).id


def test_numbers_are_ids_that_arrays_can_hold():
    rng = np.random.default_rng(0)
    tasks = [
        Environment(domain="walker2d", encoding="parametric", genome={}, seed=int(seed))
        for seed in rng.integers(2**63, size=200)
    ]
    numbers = np.array([task.number for task in tasks])
    assert numbers.dtype == np.int64
    assert (numbers < 0).any()
    assert [id_of(number) for number in numbers] == [task.id for task in tasks]


@pytest.mark.parametrize("lost", [1, -1])
@pytest.mark.parametrize("name", ["returns", "lengths", "outcomes"])
def test_rollouts_of_the_wrong_length_are_told_with_domain_and_both_lengths(name, lost):
    rows = {"returns": np.zeros(4), "lengths": np.zeros(4, dtype=np.int32), "outcomes": np.zeros(4, dtype=np.int8)}
    Rollouts(**rows).check(4, "flyer")
    rows[name] = np.zeros(4 - lost)
    with pytest.raises(ValueError, match=f"the domain flyer was asked for 4 episodes and returned {4 - lost} {name}"):
        Rollouts(**rows).check(4, "flyer")
    rows[name] = np.zeros((4, 1))
    with pytest.raises(ValueError, match=r"returned an array of shape \(4, 1\)"):
        Rollouts(**rows).check(4, "flyer")

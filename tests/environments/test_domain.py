import json

import numpy as np
import pytest

from environments.domain import Environment, find_domain

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

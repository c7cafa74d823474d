"""Agents of other layer sizes and activations: their files, their forward pass and their episodes."""

import os
import pickle
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from environments.agent_files import load_agent
from environments.controller import ACTIVATIONS, Controller
from environments.domain import Batch, Environment, find_domain
from environments.equipped import Equipped, equip
from environments.walker2d import native
from environments.weights import agent_bytes

MODULES = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "none": nn.Identity,
}
GROUND = Environment(domain="walker2d", encoding="parametric", genome={"roughness": 1.2, "pit_gap": [0.4, 1.2]}, seed=5)


def network(sizes=(24, 64, 32, 4), activation="relu", output="none", seed=0):
    torch.manual_seed(seed)
    layers = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), MODULES[activation]()]
    layers[-1] = MODULES[output]()
    return nn.Sequential(*layers)


def test_every_activation_is_known_to_pytorch_here():
    assert set(MODULES) == {*ACTIVATIONS, "none"}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("output", [*ACTIVATIONS, "none"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_an_agent_from_a_file_acts_as_pytorch_does(tmp_path, activation, output, suffix):
    net, path = network(activation=activation, output=output), tmp_path / f"agent{suffix}"
    if suffix == ".pt":
        torch.save(net.state_dict(), path)
    else:
        save_file(net.state_dict(), path)
    agent = load_agent(path, 24, 4, (activation, output))
    assert agent.controller == Controller((24, 64, 32, 4), activation, output)
    observations = 3 * torch.randn(50, 24)
    with torch.no_grad():
        expected = net(observations).clamp(-1, 1).numpy()
    act = agent.controller.policy(agent.theta)
    found = np.array([act(row) for row in observations.numpy()])
    np.testing.assert_allclose(found, expected, atol=2e-6)
    together = agent.controller.policies(np.tile(agent.theta, (50, 1)))(observations.numpy())
    np.testing.assert_array_equal(together, found)


class Actor(nn.Module):
    """A policy beside a value, with layers named as many write them."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(24, 8), nn.Linear(8, 8), nn.Linear(8, 4)
        self.critic = nn.Sequential(nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 1))
        self.log_deviation = nn.Parameter(torch.zeros(4))


def test_of_several_networks_the_one_from_observations_to_actions_is_taken(tmp_path):
    actor = Actor()
    torch.save({"model": actor.state_dict(), "epoch": 3}, tmp_path / "checkpoint.pt")
    agent = load_agent(tmp_path / "checkpoint.pt", 24, 4)
    assert agent.controller.sizes == (24, 8, 8, 4)
    weights, biases = agent.controller.layers(agent.theta)[2]
    np.testing.assert_array_equal(weights, actor.fc3.weight.detach().numpy().T)
    np.testing.assert_array_equal(biases, actor.fc3.bias.detach().numpy())


def test_layers_are_ordered_by_number_not_by_name(tmp_path):
    net = network(sizes=(24, *[6] * 11, 4), activation="tanh")  # 10.weight sorts before 2.weight as text
    save_file(net.state_dict(), tmp_path / "deep.safetensors")
    agent = load_agent(tmp_path / "deep.safetensors", 24, 4, ("tanh", "none"))
    with torch.no_grad():
        expected = net(torch.ones(24)).numpy()
    np.testing.assert_allclose(agent.controller.policy(agent.theta)(np.ones(24, dtype=np.float32)), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_of_pytorch_are_taken(tmp_path, dtype):
    net = network().to(dtype)
    torch.save(net.state_dict(), tmp_path / "agent.pt")
    theta = load_agent(tmp_path / "agent.pt", 24, 4).theta
    assert theta.dtype == np.float32
    np.testing.assert_array_equal(theta[:64], net[0].weight.detach().float().numpy().T[0])


def test_layers_without_biases_have_none(tmp_path):
    torch.save(nn.Sequential(nn.Linear(24, 4, bias=False)).state_dict(), tmp_path / "agent.pt")
    agent = load_agent(tmp_path / "agent.pt", 24, 4)
    assert not agent.controller.layers(agent.theta)[0][1].any()


def test_our_own_files_say_their_activations_and_old_ones_keep_their_bytes(tmp_path):
    rng = np.random.default_rng(0)
    for controller in (Controller((24, 7, 4), "relu", "none"), Controller((24, 40, 40, 4))):
        theta = rng.standard_normal(controller.parameters).astype(np.float32)
        (tmp_path / "agent.safetensors").write_bytes(agent_bytes(controller, theta))
        agent = load_agent(tmp_path / "agent.safetensors", 24, 4)
        assert agent.controller == controller
        np.testing.assert_array_equal(agent.theta, theta)
    assert b"__metadata__" not in (tmp_path / "agent.safetensors").read_bytes()


class Trap:
    def __reduce__(self):
        return os.mkdir, (Trap.place,)


def test_nothing_is_unpickled(tmp_path):
    Trap.place = str(tmp_path / "sprung")
    for path, write in (
        (tmp_path / "pickle.pt", lambda path: path.write_bytes(pickle.dumps({"0.weight": Trap()}))),
        (tmp_path / "torch.pt", lambda path: torch.save({"0.weight": Trap()}, path)),
        (tmp_path / "module.pth", lambda path: torch.save(network(), path)),
    ):
        write(path)
        with pytest.raises(ValueError, match=r"not hold weights alone; write it by torch\.save\(network\.state_dict"):
            load_agent(path, 24, 4)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "tensors", "message"),
    [
        ("a.onnx", {}, "ends in .onnx; an agent's file ends in .safetensors, .pt, .pth"),
        ("a.pt", {}, "holds no network of linear layers with 24 inputs and 4 outputs; save"),
        ("a.pt", {"0.weight": torch.zeros(4, 20)}, r"24 inputs and 4 outputs \(one of 20-4\)"),
        ("a.pt", {"0.weight": torch.zeros(8, 24), "2.weight": torch.zeros(4, 9)}, "holds no network"),
        ("a.pt", {"0.weight": torch.zeros(4, 24, 3, 3)}, "holds no network"),
        ("a.pt", {"0.weight": torch.zeros(4, 24), "0.bias": torch.zeros(5)}, "holds no network"),
        ("a.pt", {"a.0.weight": torch.zeros(4, 24), "b.0.weight": torch.zeros(4, 24)}, "holds several networks"),
        ("a.pt", {"0.weight": torch.zeros(5000, 24), "2.weight": torch.zeros(4, 5000)}, "at most 16 of 4096 are taken"),
        ("a.safetensors", {"0.weight": torch.zeros(4, 20)}, r"24 inputs and 4 outputs \(one of 20-4\)"),
    ],
)
def test_files_that_hold_no_such_agent_are_refused_in_a_sentence(tmp_path, name, tensors, message):
    path = tmp_path / name
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    with pytest.raises(ValueError, match=message) as refused:
        load_agent(path, 24, 4)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_what_is_no_agent_file_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"agent{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        load_agent(path, 24, 4)


@pytest.mark.parametrize("engine", [None, "reference"])
def test_the_walkers_own_controller_plays_the_same_bits_either_way(engine):
    if engine is None and native.problem() is not None:
        pytest.skip("needs the native engine")
    domain, rng = find_domain("walker2d"), np.random.default_rng(1)
    count = 9 if engine is None else 3
    thetas = (0.3 * rng.standard_normal((count, domain.controller.parameters))).astype(np.float32)
    seeds = rng.integers(0, 2**64, count, dtype=np.uint64)
    own = domain.run(Batch.of(thetas, GROUND, seeds), episode_limit=120, engine=engine)
    found = Equipped(domain, domain.controller).run(Batch.of(thetas, GROUND, seeds), episode_limit=120, engine=engine)
    for name in ("returns", "lengths", "outcomes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(own, name))
    assert engine or len(set(own.lengths.tolist())) > 1


@pytest.mark.parametrize("name", ["walker2d", "hexapod3d"])
def test_other_controllers_play_the_same_bits_on_every_engine_and_in_any_company(name):
    plain, rng = find_domain(name), np.random.default_rng(2)
    sizes = plain.controller.sizes
    controller = Controller((sizes[0], 10, sizes[-1]), "relu", "none")
    domain = equip(plain, controller)
    ground = GROUND if name == "walker2d" else Environment(domain=name, encoding="parametric", genome={}, seed=1)
    thetas = (0.3 * rng.standard_normal((4, controller.parameters))).astype(np.float32)
    seeds = np.arange(4, dtype=np.uint64)
    whole = [domain.run(Batch.of(thetas, ground, seeds), episode_limit=30, engine=engine) for engine in plain.engines]
    for other in whole[1:]:
        np.testing.assert_array_equal(other.returns, whole[0].returns)
    alone = domain.run(Batch.of(thetas[2:3], ground, seeds[2:3]), episode_limit=30)
    assert alone.returns[0] == whole[0].returns[2]
    recording = domain.record(ground, thetas[2], 2, 30)
    assert recording.score == pytest.approx(whole[0].returns[2])


def test_a_controller_of_another_body_is_refused():
    with pytest.raises(ValueError, match="has 53 inputs and 18 outputs; walker2d's have 24 and 4"):
        equip(find_domain("walker2d"), Controller((53, 8, 18)))

"""Courses, ways of walking, and the state of a reference walker as the native engine holds it."""

import numpy as np
from gymnasium.envs.box2d.bipedal_walker import BipedalWalkerHeuristics

from environments.encodings.parametric import ParametricGenome
from environments.walker2d import native
from environments.walker2d.env import WalkerEnv, start_pushes
from environments.walker2d.physics import ORDINARY
from environments.walker2d.simulator import CONTROLLER
from environments.walker2d.terrain import express

COURSES = {
    "flat": ParametricGenome(),
    "rough": ParametricGenome(roughness=3.0),
    "stumps": ParametricGenome(stump_height=(0.0, 1.5)),
    "pits": ParametricGenome(pit_gap=(0.0, 3.0)),
    "stairs": ParametricGenome(stair_height=(0.2, 1.5), stair_steps=4),
    "everything": ParametricGenome(
        roughness=1.5, stump_height=(0.0, 2.0), pit_gap=(0.0, 3.0), stair_height=(0.0, 1.0), stair_steps=3
    ),
}


def course(name, seed):
    return express(COURSES[name], seed)


def heuristic(seed):
    """Gymnasium's scripted walker: crosses flat ground, stumbles over the rest."""
    walker = BipedalWalkerHeuristics()
    walker.a = np.zeros(4)  # the class attribute is shared
    return lambda observation: np.asarray(walker.step_heuristic(observation), dtype=np.float32)


def random(seed):
    rng = np.random.default_rng(seed)
    return lambda observation: rng.uniform(-1.2, 1.2, 4).astype(np.float32)


def controller(seed):
    """An untrained controller: strides, cramps and falls, by its scale."""
    rng = np.random.default_rng(seed)
    return CONTROLLER.policy(CONTROLLER.initial_theta(rng, scale=rng.choice([0.1, 0.3, 0.6])).astype(np.float32))


def lurching(seed):
    """The scripted walker, now and then thrown off its stride: stumbles at speed."""
    rng, walk = np.random.default_rng(seed), heuristic(seed)

    def act(observation):
        action = walk(observation)
        return rng.uniform(-1, 1, 4).astype(np.float32) if rng.random() < 0.1 else action

    return act


GAITS = {"heuristic": heuristic, "random": random, "controller": controller, "lurching": lurching}


class NativeWalker:
    """One native world, stepped like the reference."""

    def __init__(self, terrain, kernel="", published_lidar=False, physics=ORDINARY):
        self.worlds = native.core.Worlds(1, kernel, published_lidar)
        self.worlds.set_course(0, native.build_course(terrain, physics))
        self.observation = np.zeros((1, 24), dtype=np.float32)

    def reset(self, push):
        self.worlds.reset(np.array([True]), np.array([push]), self.observation)
        return self.observation[0]

    def step(self, action):
        reward, outcome = np.zeros(1), np.zeros(1, dtype=np.int8)
        actions = np.asarray(action, dtype=np.float32)[None]
        self.worlds.step(actions, np.array([False]), np.zeros(1), self.observation, reward, outcome)
        return self.observation[0], reward[0], int(outcome[0])

    @property
    def state(self):
        return np.frombuffer(self.worlds.get_state(0), dtype=STATE)[0].copy()

    @state.setter
    def state(self, state):
        self.worlds.set_state(0, state.tobytes())


CONTACT = np.dtype(
    [
        *[("shape", "i4"), ("body", "i4"), ("touching", "i4"), ("on_segment", "i4"), ("count", "i4")],
        *[("normal", "f4", 2), ("point", "f4", 2), ("local", "f4", (2, 2))],
        *[("normal_impulse", "f4", 2), ("tangent_impulse", "f4", 2), ("id", "u4", 2)],
    ]
)
WORLD = [
    *[("center", "f4", (5, 2)), ("angle", "f4", 5), ("velocity", "f4", (5, 2)), ("spin", "f4", 5)],
    *[("sleep_time", "f4", 5), ("fat", "f4", (5, 4)), ("joint_impulse", "f4", (4, 4))],
    *[("limit_state", "i4", 4), ("standing", "i4", 2), ("hull_touched", "i4"), ("contacts", "i4")],
    ("waiting", "f4", (2, 4)),
    *[("potential", "f8"), ("contact", CONTACT, 256)],
]
STATE = np.dtype(WORLD, align=True)


class VisibleReference:
    """A reference walker whose state can be read out as the native engine's.

    pybox2d shows motion, joint impulses (as the reaction over a unit of time) and contacts in their order. It hides
    the fat bounding boxes, the time at rest and the joints' limit states; `read` leaves the first two as they are in
    the given state and infers the last from the sign of the limit's impulse, which is all it decides.
    """

    def __init__(self, terrain, physics=ORDINARY):
        self.env = WalkerEnv(terrain=terrain, physics=physics)

    def reset(self, push):
        observation, _ = self.env.reset(options={"push": push})
        self.bodies = [self.env._hull, *self.env._legs]
        for i, body in enumerate(self.env._world.bodies):
            body.userData = i  # static shapes come first, in order of creation
        self.first = len(self.env._world.bodies) - len(self.bodies)
        return observation

    def read(self, state):
        state = state.copy()
        for i, body in enumerate(self.bodies):
            state["center"][i] = body.worldCenter.tuple
            state["angle"][i] = body.angle
            state["velocity"][i] = body.linearVelocity.tuple
            state["spin"][i] = body.angularVelocity
        for j, joint in enumerate(self.env._joints):
            limit = joint.GetReactionTorque(1.0)
            state["joint_impulse"][j] = (*joint.GetReactionForce(1.0).tuple, limit, joint.GetMotorTorque(1.0))
            state["limit_state"][j] = -np.sign(limit)
        state["standing"] = self.env._contacts.standing
        state["hull_touched"] = self.env._contacts.hull_touched
        for i, action in enumerate(self.env._waiting):
            state["waiting"][i] = action
        state["potential"] = self.env._shaping
        contacts = self.env._world.contacts  # oldest first, as pybox2d lists them
        state["contacts"] = len(contacts)
        state["contact"] = np.zeros(256, dtype=CONTACT)
        for i, contact in enumerate(contacts):
            self._read_contact(contact, state["contact"][i])
        return state

    def _read_contact(self, contact, to):
        manifold = contact.manifold
        to["shape"] = contact.fixtureA.body.userData
        to["body"] = contact.fixtureB.body.userData - self.first
        to["touching"] = contact.touching
        to["count"] = manifold.pointCount
        if not manifold.pointCount:
            return
        to["on_segment"] = manifold.type_ == manifold.e_faceB
        to["normal"], to["point"] = manifold.localNormal.tuple, manifold.localPoint.tuple
        for k in range(manifold.pointCount):
            point = manifold.points[k]
            to["local"][k] = point.localPoint.tuple
            to["normal_impulse"][k], to["tangent_impulse"][k] = point.normalImpulse, point.tangentImpulse
            to["id"][k] = point.id.key


MOTION = ("center", "angle", "velocity", "spin")


def push_of(seed):
    return float(start_pushes(np.array([seed], dtype=np.uint64))[0])


def resynchronised_steps(terrain, act, push, limit, physics=ORDINARY):
    """Copy the reference's state into the native engine before every step, and step both.

    Yields, for each step, the reference's state and the largest differences of motion and impulses after it.
    """
    reference, ours = VisibleReference(terrain, physics), NativeWalker(terrain, physics=physics)
    observation = reference.reset(push)
    ours.reset(push)
    for _ in range(limit):
        before = reference.read(ours.state)
        ours.state = before
        action = act(observation)
        observation, _, terminated, _, info = reference.env.step(action)
        ours.step(action)
        if terminated and "outcome" in info and info["outcome"] == 3:
            return
        expected, found = reference.read(ours.state), ours.state
        motion = max(np.abs(expected[name] - found[name]).max() for name in MOTION)
        impulses = np.abs(expected["joint_impulse"] - found["joint_impulse"]).max()
        same_contacts = expected["contacts"] == found["contacts"] and bool(
            (expected["contact"][: expected["contacts"]] == found["contact"][: expected["contacts"]]).all()
        )
        yield before, float(max(motion, impulses)), same_contacts
        if terminated:
            return

"""CartPole as a domain for POET, in a package of its own."""

from cartpole_domain.domain import DOMAIN, CartPole
from cartpole_domain.encoding import CartPoleEncoding
from cartpole_domain.env import CartPoleEnv

__all__ = ["DOMAIN", "CartPole", "CartPoleEncoding", "CartPoleEnv"]

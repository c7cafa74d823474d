"""What POET asks of a domain and its encoding, a line each."""

from cartpole_domain import CartPoleEncoding

from environments.contracts import domain_contract, encoding_contract

TestCartPole = domain_contract("cartpole", ["pole"])
TestPole = encoding_contract(CartPoleEncoding)

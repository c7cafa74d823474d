"""How much experience an agent needs in POET's inner loop, by optimiser."""

"""How an agent learns in its environment: one file an optimiser, behind one protocol."""

"""Is Enhanced POET more open-ended than POET? `python -m benchmarks.open_endedness`.

Runs both algorithms at equal budgets of simulated steps, tries the hardest
environments that they solved by ES from scratch, and writes summaries, tables
and figures. Every stage goes on where it was stopped.
"""

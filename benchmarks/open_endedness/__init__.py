"""Original beside Enhanced POET at equal budgets: runs, controls, summaries, figures."""

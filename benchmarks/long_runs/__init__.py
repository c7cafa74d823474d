"""Where long runs have come to: how hard their grounds are, at what cost, and beside drift without any agent."""

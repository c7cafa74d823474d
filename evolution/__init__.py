"""What changes agents and environments: evolution strategies, mutation, admission."""

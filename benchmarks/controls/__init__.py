"""The paper's controls of a run: what it solved, tried without its environments on the way, and without transfer."""

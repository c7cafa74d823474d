"""Learners whose synapses change while examples are shown, by a local rule that is learned."""

"""Networks and the distributions that they lead to."""

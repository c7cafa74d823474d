"""The papers' controls: what a run did, against what would have been without some part of it."""

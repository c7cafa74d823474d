"""What can go wrong; the command line turns these into one sentence."""


class MetaLearningError(ValueError):
    """What was asked for, or a folder that was given, cannot be used."""


class TrainingError(RuntimeError):
    """Training cannot go on; what was on disk is intact."""

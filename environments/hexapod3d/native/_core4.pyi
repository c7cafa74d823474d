from environments.hexapod3d.native._core import *  # noqa: F403 - all of them have the same

from sqlalchemy.testing.suite import *  # noqa: F403 - its tests

"""Jobs end with the test that started them."""

import pytest
from jobs import end_jobs


@pytest.fixture(autouse=True)
def no_job_outlives_its_test():
    yield
    end_jobs()

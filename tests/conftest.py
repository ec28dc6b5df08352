import gc

from hypothesis import HealthCheck, settings

quick = settings(
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
settings.register_profile("quick", quick)
settings.register_profile("thorough", quick, max_examples=500)  # for a night: pytest --hypothesis-profile thorough
settings.load_profile("quick")

# Ten thousand tests stay in memory; to search all of them for garbage each time took an eighth of the suite's time.
gc.set_threshold(20_000, 50, 100)


def pytest_collection_finish():
    gc.collect()
    gc.freeze()

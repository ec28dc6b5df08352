from hypothesis import HealthCheck, settings

settings.register_profile(
    "callflows",
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
settings.load_profile("callflows")

from hypothesis import HealthCheck, settings

# A busy machine is slow now and then, and so is drawing what is large; that is no failure.
SLOWNESS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("patient", max_examples=60, deadline=None, suppress_health_check=SLOWNESS)
settings.load_profile("patient")

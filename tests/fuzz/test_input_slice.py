"""A slice of ``fuzz_inputs.py``, and what it found."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from input_cases import READERS

from each_case import each_case


@each_case("name", READERS)
def test_no_input_breaks_a_reader(name):
    read, make = READERS[name]
    count = 30 if name in ("flow files", "requests") else 100
    checks = settings(max_examples=count, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    checks(given(make())(read))()

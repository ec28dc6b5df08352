from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from each_case import each_case

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DECLARED = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]
EXTRAS_OF_A_SERVER = [
    Requirement(line) for extra in ("oidc", "otel") for line in PYPROJECT["project"]["optional-dependencies"][extra]
]
"""What a setting of the server needs, and is no dependency of an installation without the setting."""
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def written(lines: str) -> list[str]:
    """What a requirements file says, a requirement a line, without what people say in it."""
    return [line for line in re.sub(r"\\\n|#.*", "", lines).splitlines() if line.strip()]


def pinned(lines: list[str]) -> dict[str, Version]:
    pins = [re.match(r"([\w.-]+)==([\w.]+)", line) for line in lines]
    return {canonicalize_name(pin[1]): Version(pin[2]) for pin in pins if pin}


PINS = pinned(written(LOCK))
BUILDING = [word for word in shlex.split(DOCKERFILE, comments=True) if re.match(r"[\w.-]+==", word)]
"""What the image's build pins by itself: that which makes the wheel, and is not in the image."""


def test_compose_opens_the_server_to_this_machine_only_and_bounds_its_memory():
    service = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["callflows"]
    assert service["ports"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["mem_limit"]


def test_an_image_can_be_built_of_a_base_that_is_named_by_its_digest():
    bases = re.findall("^FROM (\\S+)", DOCKERFILE, re.MULTILINE)
    assert set(bases) == {"${PYTHON_IMAGE}"}


@each_case("needed", DECLARED + EXTRAS_OF_A_SERVER, ids=str)
def test_a_dependency_is_pinned_at_a_version_that_the_project_takes(needed):
    assert PINS[canonicalize_name(needed.name)] in needed.specifier


@pytest.mark.parametrize("needed", [Requirement(line) for line in PYPROJECT["build-system"]["requires"]], ids=str)
def test_what_builds_the_wheel_is_pinned_in_the_dockerfile_at_a_version_that_the_project_takes(needed):
    assert pinned(BUILDING)[canonicalize_name(needed.name)] in needed.specifier


def test_each_pin_is_one_exact_version_with_a_hash():
    pin = re.compile(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert [line for line in written(LOCK) + BUILDING if not pin.fullmatch(line)] == []


def test_the_lock_pins_nothing_twice():
    assert len(PINS) == len(written(LOCK))


def test_the_lock_names_no_url_no_host_and_no_folder_of_whoever_made_it():
    assert not re.search(r"://|file:|--(find-links|index-url|extra-index-url|trusted-host)\b|(^|\s)-[fi]\s|\s[~./]*/", LOCK)


def test_the_lock_was_made_for_the_oldest_python_of_the_project():
    oldest = re.search(r"--python-version (\S+)", LOCK)
    assert oldest
    assert str(SpecifierSet(PYPROJECT["project"]["requires-python"])) == f">={oldest[1]}"


def test_the_version_of_the_project_stands_in_no_second_file():
    assert PYPROJECT["project"]["version"] not in DOCKERFILE
    assert "version=" not in DOCKERFILE

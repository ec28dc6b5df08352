"""The flow files that this repository ships. Tests read these files and no other file of ``callflows/``.

Whoever runs the tests may have flows of their own in that folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from callflows.flows.authoring.gallery import flow_templates

REPOSITORY_ROOT = Path(__file__).parents[1]
SHIPPED_FLOW_FILES = ("callflows/front-desk.yaml",)
"""Relative to the repository."""
FRONT_DESK_FILE = REPOSITORY_ROOT / "callflows" / "front-desk.yaml"
_GALLERY = Path(flow_templates.__file__).parent
TEMPLATE_FILES = tuple(_GALLERY / f"{name}.yaml" for name in flow_templates.load_flow_templates())
ALL_SHIPPED_FILES = (*(REPOSITORY_ROOT / name for name in SHIPPED_FLOW_FILES), *TEMPLATE_FILES)
"""The flows of ``callflows/`` and the templates."""


def copy_shipped_flows(target: Path) -> Path:
    """Copy the shipped files to ``target/callflows``. Returns that folder."""
    for name in SHIPPED_FLOW_FILES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY_ROOT / name, target / name)
    return target / "callflows"

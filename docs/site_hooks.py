"""Hooks of the docs site: pages that lie beside docs/ in the repository are part of it.

Links stay as they are right in the repository, and are turned to where the site has the page.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent

BESIDE = MappingProxyType({"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"})
"""Files at the root of the repository, and the pages they are on the site."""


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that lie at the root of the repository."""
    for source, page in BESIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_others: Any) -> str:
    """Turns links between docs/ and the root of the repository into links of the site."""
    if page.file.src_uri in BESIDE.values():
        markdown = re.sub(r"(\]\()docs/", r"\1", markdown)
    for source, target in {**BESIDE, "README.md": "index.md"}.items():
        markdown = re.sub(rf"(\]\()(\.\./)?{re.escape(source)}([)#])", rf"\1{target}\3", markdown)
    return markdown

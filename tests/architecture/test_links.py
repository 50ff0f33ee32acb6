"""Links between the pages of the documentation lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page: Path):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))

    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]

    assert missing == []


def headings(page: Path) -> list[str]:
    """As they stand behind a `#`."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    words = (heading.replace("`", "").lower() for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE))
    return [re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in words]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_a_heading_find_it_and_no_other(page: Path):
    targets = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    found = {
        f"{target}#{heading}": headings(page.parent / target if target else page).count(heading)
        for target, heading in targets
        if "://" not in target
    }

    assert found == dict.fromkeys(found, 1)

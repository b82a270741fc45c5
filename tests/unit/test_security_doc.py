"""What SECURITY.md and docs/security.md promise and can be looked up: flags, variables, places, verbs, findings, and where they point to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from toolkit.cli.common import Common
from toolkit.cli.handed import Handed
from toolkit.cli.option_groups import Allowed
from toolkit.cli.verbs import app
from toolkit.confinement import NOT_CONFINED, Ability, places
from toolkit.settings import Limits, environment_variables

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
PAGES = {name: (ROOT / name).read_text() for name in ("SECURITY.md", "docs/security.md")}
WHOLE = "\n".join(PAGES.values())
CODE = re.findall(r"`([^`]+)`", WHOLE)
OTHERS = {"--version", "--bounds", "--target", "--calibration", "--eval", "--inputs", "--outputs", "--out", "--source"}


def row(text: str, first: str) -> list[str]:
    """Return the cells of the one row of a table that begins with these words."""
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {first}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    """To a file of the project, and to a heading that is in it; nowhere else, for nobody can say who will own another address."""
    links = re.findall(r"\]\(([^)]+)\)", PAGES[page])
    assert links
    for link in links:
        name, _, part = link.partition("#")
        target = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        assert target.is_file(), link
        headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
        assert not part or part in map(anchor, headings), link
    assert not re.search(r"https?://(?!proxy)|@", PAGES[page])


def test_every_flag_is_one_of_the_command_lines():
    """A promise that names a flag which is not there is none."""
    options = [option for group in (Allowed, Common, Handed) for option, _ in group.OPTIONS.values()]
    known = {
        str(option.__metadata__[0].default) for option in options
    }  # where typer keeps the first name of an annotation
    named = set(re.findall(r"--[a-z][a-z-]+", WHOLE))

    assert {"--allow-read", "--allow-network", "--allow-env", "--trust", "--builder", "--python"} <= named
    assert named <= known | OTHERS, named - known - OTHERS


def test_every_verb_that_loads_a_model_is_listed_among_those_that_want_trust():
    """As the attack that runs them all has them."""
    attack = (ROOT / "tests" / "attacks" / "test_unconfined.py").read_text()
    tried = set(re.findall(r'^    "([a-z]+(?: lint| --builder| --target)?)', attack, re.MULTILINE))
    refused = row(PAGES["docs/security.md"], "`build`, `convert`")[0]
    harmless = row(PAGES["docs/security.md"], "`inspect` of files")[0]

    assert set(re.findall(r"`([^`]+)`", refused)) == tried
    verbs = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    assert verbs == {word.split()[0] for word in re.findall(r"`([^`]+)`", refused + harmless)}


def test_the_lists_of_environment_variables_are_those_of_the_code():
    """Each variable, in its row."""
    text = PAGES["docs/security.md"]

    def listed(first: str) -> set[str]:
        return set(re.findall(r"`([^`]+)`", row(text, first)[1]))

    proxies = {name for name in environment_variables._INSTALLING if name.lower().endswith("_proxy")}
    assert listed("every program") == set(environment_variables._EVERYBODY)
    assert listed("a worker on this machine") == set(environment_variables._COMPUTING)
    assert listed("what makes environments") - proxies == set(environment_variables._INSTALLING) - proxies
    assert listed("what makes environments") & proxies


def test_what_the_page_says_of_places_the_code_allows():
    """And home folders, keys and users are in no list."""
    allowed = [*places._SYSTEM, *places.MACHINE, *places.DEVICES, places.THIS_PROCESS, places.SHARED_MEMORY]
    for place in ("/usr", "/bin", "/lib", "/proc/self", "/proc/cpuinfo", "/sys/devices/system/cpu", "/dev/shm"):  # noqa: S108
        assert place in CODE
        assert place in allowed
    assert not [place for place in allowed if re.search(r"home|root|passwd|shadow|ssh|hosts", place)]
    assert "/" not in allowed
    assert "/etc" not in allowed


def test_what_the_page_says_of_kernels_the_code_says():
    """In the same words, by which reports can be searched."""
    assert NOT_CONFINED in CODE
    assert f"{Limits().written_bytes / 1e9:g} GB" in PAGES["SECURITY.md"]
    assert not Ability(0, filters=True).confines
    assert not Ability(6, filters=False).confines
    assert Ability(6, filters=True, namespace=True).missing == []
    for abi in range(1, 6):
        assert Ability(abi, filters=True, namespace=True).missing, abi
    text = " ".join(PAGES["docs/security.md"].split())
    assert str(Ability(7, filters=True, namespace=True)) in text
    assert "`not-confined`" in text
    assert '"not-confined"' in (ROOT / "toolkit" / "verdict" / "chain_findings.py").read_text()


def test_the_page_is_part_of_what_is_distributed():
    """Beside the README, where people look for it."""
    assert '"/SECURITY.md"' in (ROOT / "pyproject.toml").read_text()

"""Debian packages of any architecture, fetched and unpacked without root and without changes to the system's own apt.

apt works here in its own folder, with its own lists, cache, status and configuration. From the machine it takes the addresses and keys of the Debian
archive, and the settings of the network (`Acquire`: proxies). The release is always RELEASE, whatever the machine runs; what is too old in it comes
from BACKPORTS, its archive of newer versions that are built for it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.environments.made_once import Making, PackageFile
from toolkit.errors import EnvironmentUnavailable
from toolkit.settings.environment_variables import by_installers

RELEASE = "bookworm"
BACKPORTS = f"{RELEASE}-backports"
NATIVE = "native"

_PROGRAMS = ("apt-get", "apt-config", "dpkg-deb", "dpkg")
_SUITE = re.compile(
    r"(?:bullseye|bookworm|trixie|forky|sid|stable|oldstable|testing|unstable)(?P<part>-security|/updates|-updates|-backports)?"
)
_KEYRINGS = [Path("/usr/share/keyrings") / f"debian-archive-keyring.{ending}" for ending in ("gpg", "pgp")]
_APT = """\
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "{folder}/none";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "{folder}/none";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{folder}/sources";
APT::Architecture "{first}";
APT::Architectures {{ {all} }};
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Acquire::PDiffs "false";
Acquire::Retries "2";
"""


@dataclass(frozen=True, slots=True)
class AptSource:
    """One archive in the machine's apt: its address, whether it holds the security fixes, and the key, if named."""

    uri: str
    security: bool
    signed_by: str


def missing_programs() -> list[str]:
    """Return the needed programs that are not on the PATH."""
    return [program for program in _PROGRAMS if shutil.which(program) is None]


def read_sources(etc: Path = Path("/etc/apt")) -> list[AptSource]:
    """Return the Debian archives in the configuration of the machine's apt, each once; other archives are left out."""
    found: dict[AptSource, None] = {}
    for path in sorted([etc / "sources.list", *etc.glob("sources.list.d/*.list")]):
        for line in _lines(path):
            match = re.fullmatch(
                r"\s*deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>[^#]*)(?:#.*)?",
                line,
            )
            if match is not None and "main" in match["components"].split():
                options = dict(option.partition("=")[::2] for option in (match["options"] or "").split())
                found |= dict.fromkeys(_debian([match["uri"]], [match["suite"]], options.get("signed-by", "")))
    for path in sorted(etc.glob("sources.list.d/*.sources")):
        for fields in _stanzas(path):
            if fields.get("enabled", "yes").lower() != "no" and "main" in fields.get("components", "").split():
                uris, suites = fields.get("uris", "").split(), fields.get("suites", "").split()
                found |= dict.fromkeys(_debian(uris, suites, fields.get("signed-by", "")))
    return list(found)


class Apt:
    """A private apt in a folder of the making; call `update` before `download`.

    NATIVE stands for this machine's architecture. With `backports`, a package may be named `NAME/BACKPORTS`.
    """

    def __init__(self, making: Making, architectures: Sequence[str], *, backports: bool = False) -> None:
        lacks = missing_programs()
        if lacks:
            raise EnvironmentUnavailable(
                f"{making.what}: {', '.join(lacks)} not found; its parts are Debian packages",
                "use a Debian-like machine, or a container of one",
            )
        sources = read_sources()
        if not any(not source.security for source in sources):
            raise EnvironmentUnavailable(
                f"{making.what}: apt's sources in /etc/apt name no Debian archive, and it consists of Debian packages",
                f"add one, with its key: `deb [signed-by={_KEYRINGS[0]}] <address of a Debian mirror> {RELEASE} main`",
            )
        native = making.run(["dpkg", "--print-architecture"])[0]
        known = dict.fromkeys(native if each == NATIVE else each for each in architectures)
        self._making = making
        self._folder = making.folder / "apt"
        self._variables = {"APT_CONFIG": str(self._folder / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"}
        for name in ("state/lists/partial", "cache/archives/partial", "sources", "none"):
            (self._folder / name).mkdir(parents=True)
        (self._folder / "status").touch()
        (self._folder / "sources" / "debian.sources").write_text(
            "\n".join(_stanza(each, backports=backports) for each in sources)
        )
        text = _APT.format(folder=self._folder, first=next(iter(known)), all=" ".join(f'"{each}";' for each in known))
        (self._folder / "apt.conf").write_text(_network() + text)

    def update(self) -> None:
        """Fetch the lists of packages (about 10 MB for each architecture)."""
        self._making.run(["apt-get", "--quiet", "update"], variables=self._variables)

    def download(self, packages: Iterable[str]) -> list[Path]:
        """Fetch the newest version of each package and return the files; apt checks them against the signed lists."""
        folder = self._folder / "debs"
        folder.mkdir()
        self._making.run(["apt-get", "--quiet", "download", *packages], variables=self._variables, folder=folder)
        return sorted(folder.glob("*.deb"))

    def remove(self) -> None:
        """Remove the lists and all fetched files."""
        shutil.rmtree(self._folder)


def describe(making: Making, deb: Path) -> PackageFile:
    """Return the origin of a package: `package`, `version`, `architecture` and the file's `sha256`."""
    package, version, architecture = making.run(
        ["dpkg-deb", "--show", "--showformat=${Package}\n${Version}\n${Architecture}\n", deb]
    )
    digest = making.run(["sha256sum", "--", deb])[0].split()[0]
    return {"package": package, "version": version, "architecture": architecture, "sha256": digest}


def _debian(uris: Iterable[str], suites: Iterable[str], signed_by: str) -> Iterable[AptSource]:
    matches = [match for match in map(_SUITE.fullmatch, suites) if match is not None]
    for security in sorted({match["part"] in ("-security", "/updates") for match in matches}):
        yield from (AptSource(uri, security, signed_by) for uri in uris)


def _stanza(source: AptSource, *, backports: bool) -> str:
    usual = f"{RELEASE} {RELEASE}-updates {BACKPORTS}" if backports else f"{RELEASE} {RELEASE}-updates"
    suites = f"{RELEASE}-security" if source.security else usual
    key = source.signed_by or next((str(path) for path in _KEYRINGS if path.exists()), "")
    lines = ["Types: deb", f"URIs: {source.uri}", f"Suites: {suites}", "Components: main"]
    return "\n".join([*lines, f"Signed-By: {key}"] if key else lines) + "\n"


def _network() -> str:
    """Return the machine's network settings for apt, and nothing else of its configuration, because that may hold hooks for root."""
    answer = subprocess.run(
        ["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False, env=by_installers()
    )
    return "".join(
        line + "\n"
        for line in answer.stdout.splitlines()
        if re.match(r"Acquire::(?:https?|ftp|tor|socks|CA)", line, re.IGNORECASE)
    )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _stanzas(path: Path) -> Iterable[dict[str, str]]:
    """Yield the fields of each stanza, names in lower case; a key written into `Signed-By` keeps its lines."""
    fields: dict[str, str] = {}
    last = ""
    for line in [*_lines(path), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif line[0] in " \t":
            fields[last] = f"{fields.get(last, '')}\n{line}"
        else:
            name, _, value = line.partition(":")
            last = name.strip().lower()
            fields[last] = value.strip()

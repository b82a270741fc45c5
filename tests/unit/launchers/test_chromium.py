"""The launcher of a browser: what it refuses, what it says of what is missing, and which packages it takes. No browser, no network."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from dataclasses import replace

import pytest

from toolkit import launchers, profiles
from toolkit.conversion.converters import tflite
from toolkit.errors import EnvironmentUnavailable, InvalidConfig, RequestError, TargetUnavailable, UnknownName
from toolkit.launchers import chromium
from toolkit.launchers.browser import packages, program
from toolkit.launchers.browser.packages import WebPackage, unpack
from toolkit.pipeline.prepare import recipes_of
from toolkit.profiles.recipe import Asked
from toolkit.settings import Settings
from toolkit.verbs.doctor import doctor

WASM = {"accelerator": "wasm"}
PROFILE = """
name = "mine"
about = "my page"
extends = "web-wasm"
[runtime]
"""


@pytest.fixture
def settings(tmp_path):
    return Settings(tmp_path / "home", offline=True)


@pytest.fixture
def browser(tmp_path, monkeypatch):
    """Return a maker of programs that say this when they are asked for their version; the variable names the last one."""

    def make(says: str = "Chromium 150.0.7871.100 built on something"):
        path = tmp_path / "browser"
        path.write_text(f"#!/bin/sh\necho '{says}'\n")
        path.chmod(0o755)
        monkeypatch.setenv(program.NAMED, str(path))
        return path

    return make


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "option 'accelerator': missing; known: wasm, webgpu"),
        ({"accelerator": "webgl"}, "accelerator 'webgl': unknown; did you mean 'webgpu'"),
        ({"accelerator": "webgpu"}, "accelerator 'webgpu': expected adapter = 'swiftshader' beside it"),
        ({"accelerator": "webgpu", "adapter": "swift"}, "adapter 'swift': unknown; did you mean 'swiftshader'"),
        ({"accelerator": "wasm", "adapter": "swiftshader"}, "accelerator 'wasm': expected no adapter beside it"),
        ({"accelerators": "wasm"}, "option 'accelerators': unknown; did you mean 'accelerator'"),
    ],
)
def test_what_runs_the_model_is_named_and_nothing_is_assumed(settings, options, says):
    """A default would be taken for the one that the user's page has."""
    for ask in (chromium.prepare, chromium.ready):
        with pytest.raises(RequestError, match=f"^launcher chromium: {says}"):
            ask("litert", options, settings)


def test_an_engine_without_a_package_for_pages_is_refused(settings):
    with pytest.raises(UnknownName, match=r"'tensorflow': unknown; .*known: litert, onnxruntime"):
        chromium.prepare("tensorflow", WASM, settings)


@pytest.mark.parametrize(
    ("runtime", "says"),
    [
        ('launcher = "local"\noptions = {}', "litert_web is started by the launcher chromium, phone only; got 'local'"),
        (
            'name = "litert"\nversion = "2.3.0"',
            "launcher chromium does not start litert; it starts litert_web, onnxruntime_web",
        ),
        ('version = "2.5.2"', "'2.5.2'; expected '2.5.3', the one version that the launcher chromium has"),
    ],
)
def test_a_launcher_that_would_run_another_engine_in_its_name_is_refused(tmp_path, runtime, says):
    """LiteRT itself, started beside a browser that it never uses, would pass for a page."""
    path = tmp_path / "mine.toml"
    path.write_text(PROFILE + runtime)

    with pytest.raises(InvalidConfig, match=says):
        profiles.check(path)


def test_dtypes_that_a_page_does_not_take_are_refused_before_anything_is_made(tmp_path, monkeypatch):
    """In a profile, and on the command line. Those that a rewrite replaces are taken, and so is uint8."""
    path = tmp_path / "mine.toml"
    text = (
        'name = "mine"\nabout = "my page"\nextends = "web-wasm"\nschemes = ["static_wi8_ai8"]\n[conversion]\ninputs = '
    )
    for dtype in ("uint8", "int8"):
        path.write_text(f'{text}"{dtype}"\n')
        profiles.check(path)
        assert recipes_of(profiles.find("web-wasm"), Asked(scheme="static_wi8_ai8", outputs=dtype))

    monkeypatch.setattr(tflite, "REWRITES", ())
    says = "inputs 'int8' cannot be had with litert_web, which takes float32, int32, uint8"

    with pytest.raises(InvalidConfig, match=f"conversion: {says}"):
        profiles.check(path)
    with pytest.raises(RequestError, match=f"^web-wasm: {says}"):
        recipes_of(profiles.find("web-wasm"), Asked(scheme="static_wi8_ai8", inputs="int8"))


def test_a_machine_without_a_browser_makes_the_target_unavailable(settings, monkeypatch):
    """With how to get one."""
    monkeypatch.delenv(program.NAMED, raising=False)
    monkeypatch.setattr(program.shutil, "which", lambda name: None)

    with pytest.raises(TargetUnavailable, match=r"^launcher chromium: no Chromium was found") as caught:
        chromium.prepare("litert", WASM, settings)

    assert "apt-get install chromium" in caught.value.hint
    assert "EDGE_TOOLKIT_CHROMIUM=" in caught.value.hint
    assert not chromium.ready("litert", WASM, settings)
    assert "no Chromium was found" in chromium.status(settings).problem


def test_a_named_browser_that_is_not_there_is_said(settings, monkeypatch):
    """None on the PATH takes its place."""
    monkeypatch.setenv(program.NAMED, "/no/such/browser")

    with pytest.raises(TargetUnavailable, match="EDGE_TOOLKIT_CHROMIUM='/no/such/browser': no such program"):
        chromium.prepare("litert", WASM, settings)
    assert not chromium.ready("litert", WASM, settings)


def test_doctor_says_of_a_page_what_no_setup_brings(settings, monkeypatch):
    """`setup` fetches packages, no browser."""
    monkeypatch.setenv(program.NAMED, "/no/such/browser")

    rows = {(row.kind, row.name): row for row in doctor(settings)}
    page, browser = rows["target", "web-wasm"], rows["launcher", "chromium"]

    assert page.fix == f"{browser.fix}; then edge-toolkit setup litert chromium"
    assert page.problem == f"litert (chromium accelerator=wasm) is not set up: {browser.problem}"


def test_a_program_that_is_no_browser_is_said(settings, browser):
    browser("Lynx Version 2.9")

    with pytest.raises(TargetUnavailable, match="is no Chromium: asked for its version it said 'Lynx"):
        chromium.prepare("litert", WASM, settings)


def test_packages_that_are_not_there_are_named_offline(settings, browser):
    browser()

    with pytest.raises(
        TargetUnavailable, match=r"@litertjs/core 2\.5\.3: not installed yet, and the network is off"
    ) as caught:
        chromium.prepare("litert", WASM, settings)

    assert "edge-toolkit setup chromium" in caught.value.hint
    assert "no packages of @litertjs/core, onnxruntime-web yet" in chromium.status(settings).problem


def test_a_machine_without_npm_is_told_how(settings, browser, monkeypatch):
    """Asked for by name; a setup of everything passes over what such a machine cannot have."""
    browser()
    online = replace(settings, offline=False)
    which = packages.shutil.which
    monkeypatch.setattr(packages.shutil, "which", lambda name: None if name == "npm" else which(name))

    with pytest.raises(EnvironmentUnavailable, match=r"@litertjs/core 2\.5\.3: comes by npm") as caught:
        packages.make_packages("litert", online)
    assert "apt-get install npm" in caught.value.hint

    assert packages.make_if_it_serves("litert", online) is None
    with pytest.raises(EnvironmentUnavailable, match=r"launcher chromium: .* comes by npm"):
        launchers.setup(["chromium"], online)


# Packages


def archive(files: dict[str, bytes | None]) -> bytes:
    """Return a package's archive with these files; a link to the list of users for None."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                member.size = len(content)
            packed.addfile(member, io.BytesIO(content or b""))
    return made.getvalue()


@pytest.fixture
def fetched(tmp_path):
    """Return a maker of a fetched archive, and the package that it is."""

    def make(files: dict[str, bytes | None], wanted: tuple[str, ...] = ("dist/index.js",)):
        content = archive(files)
        path = tmp_path / "fetched.tgz"
        path.write_bytes(content)
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        return path, WebPackage("@some/engine", "1.0.0", integrity, wanted)

    return make


def test_a_package_is_unpacked_to_its_listed_files(fetched, tmp_path):
    """Whatever else it holds, in it or beside it, is not written."""
    path, package = fetched({"package/dist/index.js": b"1", "package/more.js": b"2", "package/../../outside": b"3"})

    unpack(path, package, tmp_path / "made")

    assert [each for each in (tmp_path / "made").rglob("*") if each.is_file()] == [tmp_path / "made/dist/index.js"]
    assert (tmp_path / "made/dist/index.js").read_bytes() == b"1"
    assert not (tmp_path / "outside").exists()


def test_a_package_of_another_hash_is_refused(fetched, tmp_path):
    """Whoever made it, and whatever registry it came from."""
    path, package = fetched({"package/dist/index.js": b"1"})
    path.write_bytes(archive({"package/dist/index.js": b"other"}))

    with pytest.raises(
        EnvironmentUnavailable, match=r"@some/engine@1\.0\.0: npm fetched another package than the locked one"
    ):
        unpack(path, package, tmp_path / "made")

    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("files", [{"package/other.js": b"1"}, {"package/dist/index.js": None}])
def test_a_package_that_lacks_a_file_is_refused(fetched, tmp_path, files):
    """A link is no file."""
    path, package = fetched(files)

    with pytest.raises(EnvironmentUnavailable, match=r"@some/engine@1\.0\.0: lacks dist/index\.js"):
        unpack(path, package, tmp_path / "made")


def test_the_lock_names_versions_and_hashes_and_no_host():
    """A registry is the user's own choice."""
    text = packages._LOCK.read_text()

    assert "://" not in text
    for each in (package for of in packages.LOCKED.values() for package in of):
        assert len(base64.b64decode(each.integrity.removeprefix("sha512-"))) == hashlib.sha512().digest_size

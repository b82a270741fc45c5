"""A profile that `targets new` begins: valid at once, and the same target as the one that it extends, with or without its comments."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from toolkit import launchers, profiles, registry, report
from toolkit.errors import InvalidConfig, RequestError
from toolkit.profiles import new_profile
from toolkit.profiles.new_profile import write_new

NEW = "my-board"
# One of each launcher that a shipped target has.
EACH = ("host", "raspberry-pi-4", "web-webgpu", "android-gpu", "qnn-htp")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return an empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fields(path):
    """Return what a profile says, but its own name and what it extends; of its bounds only those in force."""
    said = profiles.find(path).model_dump(exclude={"name", "about", "extends", "bounds"})
    return said, {str(each) for each in profiles.find(path).bounds}


def uncomment(path):
    """Take the `#` away from all settings that are comments."""
    path.write_text(re.sub(r"^#(?=[a-z\[])", "", path.read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("like", [*EACH, "onnxruntime-mobile"])
def test_a_new_profile_is_the_target_that_it_extends(here, like):
    """So is one whose comments all became settings: each of them has the inherited value."""
    path = write_new(NEW, like)
    profiles.check(path)

    begun = fields(path)
    uncomment(path)
    profiles.check(path)

    assert path == Path("targets", "my-board.toml")
    assert begun == fields(like) == fields(path)
    own = {value.key for value in profiles.provenance(path) if value.path == path}
    assert {"hardware", "schemes", "runtime.version", "runtime.launcher", "runtime.threads", "bounds[0].limit"} <= {
        re.sub(r"bounds\[\d+\]", "bounds[0]", key) for key in own
    }


def test_a_user_s_own_values_are_inherited_with_their_quotes(here):
    """Of a path, of options by any name, of a budget, and of text with what TOML must escape."""
    (here / "base-one.toml").write_text(
        'name = "base-one"\nabout = "x"\nextends = "host"\n'
        'hardware = "a \\"b\\" \\\\ \\u007f \\u0001 é\\nend # no"\n[budget]\nfile_bytes = 4_000_000\n'
    )
    path = write_new(NEW, "./base-one.toml", Path("deep/er/my-board.toml"))

    uncomment(path)

    assert 'extends = "../../base-one.toml"' in path.read_text()
    assert fields(path) == fields("base-one.toml")
    assert profiles.find(path).budget.file_bytes == 4_000_000


def test_a_name_that_means_another_file_beside_the_new_one_becomes_a_path(here):
    """A folder of profiles may hold its own `host`, which is not the one that was meant."""
    (here / "mine").mkdir()
    (here / "mine" / "host.toml").write_text('name = "host"\nabout = "x"\nextends = "raspberry-pi-4"\n')

    path = write_new(NEW, "host", Path("mine/my-board.toml"))

    assert profiles.find(path).runtime == profiles.find("host").runtime


def test_all_mistakes_are_told_at_once_and_nothing_is_written(here):
    with pytest.raises(RequestError, match=r"'a b'; expected letters[\s\S]*did you mean 'raspberry-pi-4'"):
        write_new("a b", "raspbery-pi-4")
    with pytest.raises(RequestError, match=r"x\.toml: a profile's file has its name; expected my-board\.toml"):
        write_new(NEW, "host", Path("x.toml"))
    with pytest.raises(RequestError, match="is abstract"):
        write_new(NEW, "base-onnx")
    with pytest.raises(RequestError, match="expected letters"):
        write_new("../out", "host")

    assert list(here.rglob("*")) == []


@pytest.mark.parametrize("there", ["file", "folder", "dangling link"])
def test_nothing_is_overwritten(here, there):
    place = here / "targets" / "my-board.toml"
    place.parent.mkdir()
    {
        "file": lambda: place.write_text("mine"),
        "folder": place.mkdir,
        "dangling link": lambda: place.symlink_to("nowhere"),
    }[there]()

    with pytest.raises(RequestError, match="is there already, and is never overwritten; choose another name"):
        write_new(NEW, "host")

    assert os.listdir(place.parent) == ["my-board.toml"]
    assert there != "file" or place.read_text() == "mine"
    assert not (place.parent / "nowhere").exists()


def test_a_profile_that_would_not_be_valid_does_not_stay(here):
    """A chain may have 16 files; the new one would be one too many."""
    like = "host"
    longest = 16 - 3  # of `host`, `base-tflite` and `base`
    for number in range(longest):
        Path(f"p{number}.toml").write_text(f'name = "p{number}"\nabout = "x"\nextends = "{like}"\n')
        like = f"p{number}"
    before = sorted(here.iterdir())

    with pytest.raises(InvalidConfig, match="a chain of more than 16"):
        write_new(NEW, f"./p{longest - 1}.toml", Path("my-board.toml"))

    assert sorted(here.iterdir()) == before


def test_a_folder_s_name_adds_no_line_to_the_file(here):
    """It stands in comments, which a line break would end."""
    path = write_new(NEW, "host", Path("a\nformat = 1\n#", "my-board.toml"))

    profiles.check(path)

    assert "\nformat = 1" not in path.read_text()


def test_editors_are_told_where_the_schema_lies(here, monkeypatch):
    """The installed file's address; from within a checkout, a path as those of the package's own profiles."""
    path = write_new(NEW, "host")
    assert path.read_text().splitlines()[0] == f"#:schema {new_profile.SCHEMA.as_uri()}"
    assert new_profile.SCHEMA.is_file()

    monkeypatch.setattr(new_profile, "SCHEMA", (here / "toolkit" / "schemas" / "target.json").resolve())
    second = write_new("second", "host")

    assert second.read_text().splitlines()[0] == "#:schema ../toolkit/schemas/target.json"


@pytest.mark.parametrize("name", EACH)
def test_a_target_says_how_it_is_verified(name):
    """In the launcher's words, and never as executed where something is emulated."""
    target = profiles.find(name)
    launcher = registry.load("launchers", target.runtime.launcher)
    said, row = str(target.verification), report.profile_json(target)["verified"]

    static = getattr(launcher, "STATIC", False)
    assert said.startswith("static, not executed: " if static else "emulated (" if launcher.EMULATED else "executed ")
    stands_in = getattr(registry.load("execution/runtimes", target.runtime.name), "STANDS_IN", None)
    assert (stands_in or launcher.means(target.runtime.launcher_options)) in said
    timed = launcher.TIMED and stands_in is None
    assert said.endswith("; not timed") is not (timed or static)
    said_of_launcher = {"host": launcher.HOST, "emulated": launcher.EMULATED, "static": static}
    assert row == {"how": said, **said_of_launcher, "timed": timed, "stands_in": stands_in is not None}
    assert report.target_json(target)["verified"] == row
    assert f"\nverified: {said}\n" in report.profile_text(target, profiles.provenance(name))
    assert f"verified: {said}" in report.targets_text([target])


@pytest.mark.parametrize(
    ("launcher", "options", "said"),
    [
        ("local", {}, "executed on this machine"),
        ("qemu", {"cpu": "cortex-a72"}, "emulated (QEMU, cortex-a72); not timed"),
        ("ssh", {"host": "pi@board.local"}, "executed on your board over ssh"),
        ("adb", {}, "executed on your phone over adb; this launcher was never tested on hardware"),
        ("chromium", {"accelerator": "wasm"}, "executed in this machine's Chromium, on Wasm; not timed"),
        (
            "chromium",
            {"accelerator": "webgpu", "adapter": "swiftshader"},
            "executed in this machine's Chromium, on WebGPU by a GPU in software (SwiftShader); not timed",
        ),
        ("lavapipe", {}, "emulated (a GPU's driver in software, Mesa lavapipe); not timed"),
    ],
)
def test_what_each_launcher_says(launcher, options, said):
    assert str(launchers.verification(launcher, options, "litert")) == said

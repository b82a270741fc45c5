"""Every path that a verb writes, with something there that is not ours: refused with exit status 2 before any work, and as it was afterwards.

None of these needs an engine: where the refusal came late, the verb would fail for want of one.
"""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.attacks.edits import put, run_verb
from tests.unit.regression import test_gate as made
from tests.unit.regression import test_rejudge as rejudged
from tests.unit.regression.bundles_by_hand import seal
from toolkit.bundle import bundle
from toolkit.comparison import saved_runs
from toolkit.diagnosis import layer_drift
from toolkit.diagnosis.model_explorer import NODE_DATA, node_data
from toolkit.experiments import table
from toolkit.files import manifest
from toolkit.report import formats
from toolkit.tensors.signature import Signature
from toolkit.wire.shards import ShardWriter

release, bundled, bounds = made.release, rejudged.bundled, rejudged.bounds
KINDS = ("pipe", "socket", "folder", "endless device", "empty device", "hanging link", "ring", "link", "text", "image")


def snapshot(folder):
    """Return all that lies in a folder: kinds, times and contents, links not followed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        seen = os.lstat(path)
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[path.relative_to(folder)] = (seen.st_mode, seen.st_ino, seen.st_mtime_ns if content else 0, content)
    return found


def put_there(kind, place):
    """Put something of somebody else's in a place."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        (place.parent / "elsewhere").write_text("int main;")
        place.symlink_to("elsewhere")
    elif kind == "text":
        place.write_text("int main(void) { return 0; }\n")
    elif kind == "image":
        place.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    else:
        put(kind, place)


def untouched(work, *arguments, said):
    before = snapshot(work)
    status, printed = run_verb(*arguments)
    assert status == 2, printed
    assert str(said) in printed
    assert snapshot(work) == before


@pytest.fixture
def work(tmp_path, sample, digits):
    """Return a folder to write to, and by verb what is asked of it with its output there."""
    folder = tmp_path / "work"
    folder.mkdir()
    artifact = tmp_path / "artifact.tflite"
    artifact.write_bytes(b"\0\0\0\0TFL3")
    out = folder / "out"
    host, sets = ("--target", "host"), ("--calibration", digits)
    about = ("--source", sample, *host, *sets)
    asked = {
        "build": (("build", sample, *host, *sets, "--out", out), out / "host"),
        "build, one of two": (("build", sample, *host, "--target", "linux-x86_64-tflite-runtime", *sets, "-o", out), out / "host"),
        "build, two signatures": (
            ("build", sample, *host, "--signature", "a", "--signature", "b", *sets, "--out", out),
            out / "b" / "host",
        ),
        "verify": (("verify", artifact, "--source", sample, *host, "--out", out), out / "host"),
        "convert": (("convert", sample, "--out", out / "m.tflite"), out / "m.tflite"),
        "convert to ONNX": (("convert", sample, "--out", out / "m.onnx"), out / "m.onnx"),
        "run": (("run", artifact, *host, "--samples", digits, "--out", out / "r.npz"), out / "r.npz"),
        "run, saved": (("run", artifact, *host, "--samples", digits, "-o", out / "r.safetensors"), out / "r.safetensors"),
        **{
            f"sweep {suffix}": (("sweep", sample, *host, *sets, "--out", out), out / f"sweep.{suffix}")
            for suffix in ("json", "csv", "png", "svg")
        },
        **{
            f"debug {name}": (("debug", artifact, *about, "--out", out), out / name)
            for name in ("layers.json", "layers.png", "layers.svg", "model_explorer_isolated.json")
        },
        "debug --stage": (("debug", artifact, *about, "--stage", "kernels", "--out", out), out / "attribution"),
        **{
            f"--report {name}": (("build", sample, *host, *sets, "--out", out, "--report", f"{name}={folder / 'r'}"), folder / "r")
            for name in ("junit", "markdown", "github", "sarif")
        },
    }  # fmt: skip
    return folder, asked


VERBS = (
    "build", "build, one of two", "build, two signatures", "verify", "convert", "convert to ONNX", "run", "run, saved",
    *(f"sweep {suffix}" for suffix in ("json", "csv", "png", "svg")), "debug layers.json", "debug layers.png",
    "debug layers.svg", "debug model_explorer_isolated.json", "debug --stage", "--report junit", "--report markdown",
    "--report github", "--report sarif",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS)
def test_what_somebody_else_put_there_stays(work, verb, kind):
    """Whatever it is: nothing is replaced, nothing is written into it or through it, and nothing is left beside it."""
    folder, asked = work
    arguments, place = asked[verb]
    put_there(kind, place)

    untouched(folder, *arguments, said=place)


@pytest.mark.parametrize("verb", ["build", "verify", "debug --stage"])
def test_a_folder_of_sources_stays(work, verb):
    """As `--out .` in a project that has a folder of the target's name."""
    folder, asked = work
    arguments, place = asked[verb]
    (place / "src").mkdir(parents=True)
    (place / "src" / "main.c").write_text("int main;")

    untouched(folder, *arguments, said=place)


def test_all_mistakes_are_said_at_once(work, sample, digits):
    folder, _ = work
    for name in ("host", "linux-x86_64-tflite-runtime"):
        (folder / name).write_text("mine")
    two = ("--target", "host", "--target", "linux-x86_64-tflite-runtime")

    status, printed = run_verb("build", sample, *two, "--calibration", digits, "--out", folder)

    assert status == 2
    assert f"{folder / 'host'}: is a file; expected the name of a folder" in printed
    assert f"{folder / 'linux-x86_64-tflite-runtime'}: is a file" in printed


def hand_made(bundled, work, **said):
    """Return the place of a bundle for the host, as a build wrote it."""
    bundle = bundled(target="host", **said)
    (work / "out").mkdir()
    return bundle.rename(work / "out" / "host")


@pytest.mark.parametrize(
    "change",
    [
        lambda place: (place / "NOTES.txt").write_text("mine"),
        lambda place: (place / "runs" / "mine").symlink_to("/etc"),
        lambda place: (place / "report.json").write_text("my own report"),
        lambda place: (place / "report.json").unlink(),
        lambda place: (place / "manifest.json").unlink(),
        lambda place: seal(place, target="board"),
    ],
)
def test_a_bundle_that_is_not_as_its_build_left_it_stays(work, bundled, change):
    """What somebody wrote into it, or over a file of it, is theirs."""
    folder, asked = work
    place = hand_made(bundled, folder)
    change(place)

    untouched(folder, *asked["build"][0], said=place)


def test_a_bundle_is_no_place_for_anything_else(work, bundled, sample, digits):
    """It is written as a whole: what is put into it would make it another, or be gone with it."""
    folder, _ = work
    place = hand_made(bundled, folder)
    inside = f"lies in the bundle {place}"
    build = ("build", sample, "--target", "host", "--calibration", digits)

    untouched(folder, *build, "--out", place, said=inside)
    untouched(folder, *build, "--out", place.parent, "--report", f"junit={place / 'verdict.xml'}", said=inside)
    untouched(folder, "convert", sample, "--out", place / "runs" / "m.tflite", said=inside)
    untouched(folder, "check", place, "--baseline", place / "b.json", "--update-baseline", said=inside)


def test_a_report_is_not_written_where_a_bundle_will_lie(work, sample, digits):
    """Before there is one, nothing else tells."""
    folder, _ = work
    report = folder / "out" / "host" / "verdict.xml"

    untouched(
        folder, "build", sample, "--target", "host", "--calibration", digits, "--out", folder / "out", "--report",
        f"junit={report}", said=report,
    )  # fmt: skip


def test_reports_alone_take_no_bundles_place(work, bundled):
    """Its artifact would be gone with it."""
    folder, asked = work
    place = hand_made(bundled, folder)
    (place / "model.tflite").write_bytes(b"shipped")
    seal(place, artifact="model.tflite")

    untouched(folder, *asked["verify"][0], said="whose artifact would be lost")


def test_nothing_is_written_over_what_is_read_or_into_a_model(work, tmp_path, digits):
    folder, _ = work
    artifact = folder / "a.tflite"
    artifact.write_bytes(b"\0\0\0\0TFL3")
    model = folder / "model"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"")
    run = folder / "samples.npz"
    np.savez(run, image=np.zeros((2, 8, 8, 1), np.float32))
    host = ("--target", "host")

    untouched(folder, "convert", artifact, "--out", artifact, said="is an input of this run")
    untouched(folder, "convert", model, "--out", model / "m.tflite", said=f"lies in {model}, an input of this run")
    untouched(folder, "build", model, *host, "--calibration", digits, "--out", model, said="an input of this run")
    untouched(folder, "run", artifact, *host, "--samples", run, "--out", run, said="is an input of this run")


def test_a_model_is_not_replaced_by_what_nobody_named(work, sample, monkeypatch):
    """Without --out the name is the program's choice, and the file of that name may be the user's only one."""
    folder, _ = work
    monkeypatch.chdir(folder)
    (folder / "model.tflite").write_bytes(b"\0\0\0\0TFL3 trained for a week")

    untouched(folder, "convert", sample, said="model.tflite: exists already; give --out model.tflite to replace it")


def test_two_reports_in_one_place_are_refused(work, sample, digits):
    folder, _ = work
    (folder / "sub").mkdir()
    reports = ("--report", f"junit={folder / 'r'}", "--report", f"sarif={folder / 'sub' / '..' / 'r'}")

    untouched(folder, "build", sample, "--target", "host", "--calibration", digits, *reports, said="twice")


@pytest.mark.parametrize("kind", KINDS)
def test_a_baseline_replaces_a_baseline_alone(release, tmp_path, kind):
    """Of any of the others the file stays."""
    bundle = release("new")
    folder = tmp_path / "baselines"
    put_there(kind, folder / "b.json")

    untouched(folder, "check", bundle, "--baseline", folder / "b.json", "--update-baseline", said=folder / "b.json")


@pytest.mark.parametrize("name", ["junit", "markdown", "github", "sarif"])
def test_a_report_of_ours_is_replaced_and_one_of_another_format_is_not(bundled, bounds, tmp_path, name):
    """By what is in it, not by what it is called; an empty file has nothing to lose."""
    bundle, file = bundled(), bounds(("total", "max_abs", 0.2, rejudged.REAL))
    path = tmp_path / "report.txt"
    path.touch()

    for _ in range(2):
        assert run_verb("verify", bundle, "--bounds", file, "--report", f"{name}={path}")[0] == 0
        assert path.read_text()
    for other in {"junit", "markdown", "github", "sarif"} - {name}:
        untouched(path.parent, "verify", bundle, "--bounds", file, "--report", f"{other}={path}", said=path)
    assert [each.name for each in tmp_path.glob(".*")] == []


def test_every_format_knows_its_own_reports_and_no_others():
    error = {"error": {"kind": "RequestError", "problem": "p\n::error::", "hint": None, "exit_status": 2}}
    names = ("junit", "markdown", "github", "sarif")
    texts = {name: formats.render(name, error).encode() for name in names}

    for name in names:
        kind = formats._kind(name)
        assert [other for other, text in texts.items() if kind.recognises(text)] == [name]
        assert not kind.recognises(b"int main;\n")


def test_tables_of_ours_are_known_by_what_is_in_them():
    """Of any size: what tells them lies at the beginning or at the end."""
    for count in (0, 1, 20_000):
        nodes = json.dumps(node_data({f"layer {number}": float(number) for number in range(count)}), indent=2).encode()
        assert NODE_DATA.recognises(nodes[: 1 << 16] + nodes[-1024:])
    assert not NODE_DATA.recognises(b'{"results": {}, "thresholds": []}')
    assert table._CSV.recognises(table.as_csv([]).encode())
    assert not table._CSV.recognises(b"target,mine\n1,2\n")
    for kind, name in ((table._DOCUMENT, "sweep"), (layer_drift._DOCUMENT, "drift")):
        text = json.dumps({"format": f"edge-toolkit {name}", "rows": []}, indent=2)
        assert kind.recognises(text.encode())
        assert not kind.recognises(text.replace(name, "baseline").encode())
        assert not kind.recognises(b'{"rows": []}')


@pytest.mark.parametrize("name", ["outputs.npz", "outputs.safetensors"])
def test_outputs_of_a_run_are_known_and_samples_are_not(tmp_path, name):
    """Both are .npz, or .safetensors, of arrays by name."""
    kind = bundle.NPZ if name.endswith("npz") else bundle.RUN
    path = tmp_path / name
    image = {"image": np.zeros((200, 8, 8, 1), np.float32)}
    save_file(image, path) if kind is bundle.RUN else np.savez(path, **image)
    assert kind.refusal(path) is not None
    path.unlink()
    with ShardWriter(tmp_path / "shards") as writer:
        for row in image["image"]:
            writer.add({"image": row})
    signature = {"key": "", "inputs": [], "outputs": [{"name": "image", "dtype": "float32", "shape": [8, 8, 1]}]}

    for _ in range(2):
        if kind is bundle.NPZ:
            bundle.write_npz(
                SimpleNamespace(signature=Signature.from_json(signature), outputs=tmp_path / "shards"), path
            )
            assert np.load(path)["image"].shape == (200, 8, 8, 1)
        else:
            saved_runs.write(path, tmp_path / "shards", {"stage": "device", "signature": signature}, [])
        assert kind.refusal(path) is None


def test_a_bundle_as_its_build_left_it_may_be_replaced(work, bundled):
    """Also one that did not pass, and an empty folder; of another target none."""
    folder, _ = work
    place = hand_made(bundled, folder)

    assert manifest.refusal(place, "host") is None
    assert manifest.refusal(place, "board") == "is the bundle of another target, 'host'"
    (folder / "empty").mkdir()
    assert manifest.refusal(folder / "empty", "host") is None
    assert manifest.refusal(folder / "nothing", "host") is None
    assert json.loads((place / "manifest.json").read_text())["verdict"] == "failed"

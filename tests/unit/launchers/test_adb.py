"""The launcher `adb` before any model runs: its options, the phones that the client sees, and what they run. The client's words are recorded ones."""

from __future__ import annotations

import shlex
import struct

import pytest

from toolkit import environments, launchers
from toolkit.environments import Environment
from toolkit.errors import RequestError, TargetUnavailable, UnknownName
from toolkit.execution.run import Execution, run_job
from toolkit.jobs.job import Engine
from toolkit.launchers import adb
from toolkit.launchers.adb import UNTESTED
from toolkit.settings import Settings

PIXEL = {
    "ro.product.manufacturer": "Google",
    "ro.product.model": "Pixel 8",
    "ro.build.version.release": "15",
    "ro.build.fingerprint": "google/shiba/shiba:15/AP4A.250105.002/12701944:user/release-keys",
    "ro.soc.model": "Tensor G3",
    "ro.hardware": "shiba",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
}
ONE = {"31270DLJH000AB": "device"}
CLIENT = """\
#!/bin/sh
case "$*" in
devices) printf 'List of devices attached\\n'; printf %s DEVICES ;;
*getprop*) printf %s PROPERTIES ;;
*) echo "adb: $*" >&2; exit 1 ;;
esac
"""
ARM64, ARM, X86_64, POWER = 183, 40, 62, 21


def elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, machine) + bytes(44)


@pytest.fixture
def settings(tmp_path):
    return Settings(tmp_path / "home", offline=True, pythons={})


@pytest.fixture
def binary(tmp_path):
    (tmp_path / "benchmark_model").write_bytes(elf(ARM64))
    return tmp_path / "benchmark_model"


@pytest.fixture
def client(tmp_path):
    """Return a function that writes a client which sees phones, and gives their properties."""

    def write(phones=ONE, properties=PIXEL):
        rows = "".join(f"{serial}\t{state}\n" for serial, state in phones.items()) + "\n"
        said = "".join(f"[{name}]: [{value}]\n" for name, value in properties.items())
        path = tmp_path / "adb"
        path.write_text(CLIENT.replace("DEVICES", shlex.quote(rows)).replace("PROPERTIES", shlex.quote(said)))
        path.chmod(0o755)
        return str(path)

    return write


@pytest.fixture
def prepare(settings, binary, client, monkeypatch):
    """Return a function that prepares a launch with a client and options."""
    made = Environment("litert", binary, "litert 1", {}, {}, "ai-edge-litert 2.3.0")
    monkeypatch.setattr(environments, "resolve", lambda name, settings: made)

    def call(phones=ONE, properties=PIXEL, environment="litert", **options):
        monkeypatch.setenv("EDGE_TOOLKIT_ADB", client(phones, properties))
        given = {"binary": str(binary), **options}
        return launchers.prepare("adb", environment, given, settings)

    return call


def test_a_launch_names_the_phone_and_that_hardware_was_never_tested(prepare, binary):
    """Model, Android, chip and serial number; no emulator, and a version that only the profile says."""
    launch = prepare()

    assert launch.about == {
        "engine": "ai-edge-litert 2.3.0",
        "machine": "aarch64",
        "launcher": "adb",
        "cpu": "Google Pixel 8, Android 15, Tensor G3, 31270DLJH000AB",
        "processor": f"aarch64, Google Pixel 8, Android 15, Tensor G3; {UNTESTED}",
    }
    assert UNTESTED == "this launcher was never tested on hardware"
    assert str(binary) in (launch.reaches or ())
    assert not adb.EMULATED
    assert not adb.HOST


def test_all_mistakes_in_the_options_are_named_at_once(settings):
    """Exit status 2, before any phone is asked."""
    options = {"binari": "x", "folder": "sdcard", "delegate": "gpu", "serial": 7}

    with pytest.raises(RequestError) as caught:
        launchers.prepare("adb", "litert", options, settings)

    assert caught.value.exit_status == 2
    for said in (
        "option 'binari': unknown; did you mean 'binary'?",
        "option 'serial': 7; expected a text",
        "option 'binary': missing; it names benchmark_model",
        "option 'delegate': refused; the runtime says where the model runs: extends = \"base-android-adb-gpu\" for the GPU",
        "folder 'sdcard': expected an absolute path on the phone",
    ):
        assert said in caught.value.problem + (caught.value.hint or "")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        (b"\x7fEL", "is no program"),
        (b"PK\x03\x04" + bytes(60), "is no program"),
        (elf(POWER), "a processor that Android does not run on .ELF machine 21"),
    ],
)
def test_a_file_that_is_no_program_for_android_is_refused(prepare, binary, content, says):
    binary.unlink()
    if content is not None:
        binary.write_bytes(content)

    with pytest.raises(RequestError, match=says) as caught:
        prepare()

    assert "give the benchmark_model of TensorFlow Lite" in caught.value.hint


@pytest.mark.parametrize(
    ("machine", "abis", "says"),
    [
        (X86_64, "arm64-v8a", "is for x86_64; the phone 31270DLJH000AB runs arm64-v8a"),
        (ARM, "arm64-v8a", "is for armeabi-v7a or armeabi; the phone"),
        (ARM64, "armeabi-v7a,armeabi", "is for arm64-v8a; the phone"),
        (ARM64, "", "does not say what programs it runs"),
    ],
)
def test_a_program_for_another_processor_is_refused(prepare, binary, machine, abis, says):
    """Before it is pushed: the phone's own message is `not executable: 64-bit ELF file`."""
    binary.write_bytes(elf(machine))

    with pytest.raises(TargetUnavailable, match=says):
        prepare(properties={**PIXEL, "ro.product.cpu.abilist": abis})


def test_a_program_for_the_phones_second_processor_runs_as_that(prepare, binary):
    binary.write_bytes(elf(ARM))

    assert prepare().about["machine"] == "armv7l"


@pytest.mark.parametrize(
    ("phones", "options", "says", "helps"),
    [
        ({}, {}, "no phone is connected", "plug it in"),
        ({}, {"serial": "A1"}, "no phone 'A1' is connected; there are: none", "plug it in, with USB debugging"),
        (
            ONE | {"emulator-5554": "device"},
            {},
            r"there are: 31270DLJH000AB \(device\), emulator-5554 \(device\)",
            "serial =",
        ),
        (ONE, {"serial": "31270DLJH000AC"}, "no phone '31270DLJH000AC' is connected", "did you mean '31270DLJH000AB'"),
        ({"A1": "unauthorized"}, {}, "the phone A1 is unauthorized", "allow USB debugging"),
        ({"A1": "offline"}, {}, "the phone A1 is offline", "adb reconnect"),
        (
            {
                "A1": "no permissions (user in plugdev group; are your udev rules wrong?); see [http://developer.android.com]"
            },
            {},
            "the phone A1 is no permissions",
            "udev rules",
        ),
        ({"A1": "recovery"}, {}, "the phone A1 is recovery", "adb reboot"),
        ({"A1": "device", "B2": "offline"}, {"serial": "B2"}, "the phone B2 is offline", "adb reconnect"),
    ],
)
def test_a_phone_that_cannot_be_asked_is_named_with_what_helps(prepare, phones, options, says, helps):
    """Exit status 3: other targets of a build still finish."""
    with pytest.raises(TargetUnavailable, match=says) as caught:
        prepare(phones, **options)

    assert helps in caught.value.hint
    assert caught.value.exit_status == 3


@pytest.mark.parametrize(
    "properties",
    [{"ro.kernel.qemu": "1"}, {"ro.boot.qemu": "1"}, {"ro.hardware": "ranchu"}, {"ro.hardware": "cutf_cvm"}],
)
def test_androids_emulator_is_no_phone(prepare, properties):
    """Its report would say that a phone ran the model, and how fast."""
    with pytest.raises(TargetUnavailable, match="is an emulator"):
        prepare(properties={**PIXEL, **properties})


def test_a_phone_does_not_write_into_the_report(prepare):
    """Its properties are a stranger's text."""
    launch = prepare(properties={**PIXEL, "ro.product.model": "Pixel\x1b[2K\r<b>" + "9" * 500})

    assert "\x1b" not in launch.about["cpu"]
    assert "<" not in launch.about["cpu"]
    assert len(launch.about["cpu"]) < 250


@pytest.mark.parametrize(
    "changed",
    [
        {"phones": {"B2": "device"}},
        {"properties": {**PIXEL, "ro.build.fingerprint": "another build"}},
        {"environment": "litert==2.1.0"},
    ],
)
def test_another_phone_another_android_or_another_program_runs_anew(prepare, changed):
    assert prepare(**changed).identity != prepare().identity


def test_another_program_runs_anew(prepare, binary):
    before = prepare().identity
    binary.write_bytes(elf(ARM64) + b"\0")

    assert prepare().identity != before


def test_without_a_client_the_message_says_how_to_get_one(settings, binary, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(TargetUnavailable, match="launcher adb: no program") as caught:
        launchers.prepare("adb", "litert", {"binary": str(binary)}, settings)
    assert "apt install adb" in caught.value.hint
    assert not adb.status(settings).ready
    assert adb.status(settings).fix == "edge-toolkit setup adb"
    assert not settings.home.exists()


def test_a_variable_that_names_no_client_is_told_by_its_name(settings, binary, monkeypatch):
    """The client on the PATH is not taken in its place."""
    monkeypatch.setenv("EDGE_TOOLKIT_ADB", "/no/such/adb")
    says = "EDGE_TOOLKIT_ADB='/no/such/adb': no such program"

    with pytest.raises(TargetUnavailable, match=f"launcher adb: {says}"):
        launchers.prepare("adb", "litert", {"binary": str(binary)}, settings)
    assert not adb.ready("litert", {"binary": str(binary)}, settings)
    assert adb.status(settings).problem == says


def test_a_profile_starts_no_program_of_this_machine(settings, binary, tmp_path):
    """A profile may be a stranger's; the message has the user's own way to name a client."""
    begun = tmp_path / "begun"
    (tmp_path / "evil").write_text(f"#!/bin/sh\ntouch {begun}\n")
    (tmp_path / "evil").chmod(0o755)
    options = {"binary": str(binary), "adb": str(tmp_path / "evil")}

    for ask in (
        lambda: launchers.require_options("adb", "litert_binary", options),
        lambda: launchers.prepare("adb", "litert", options, settings),
    ):
        with pytest.raises(RequestError, match="launcher adb: option 'adb': refused") as caught:
            ask()
        assert "EDGE_TOOLKIT_ADB=" in caught.value.hint
    assert not begun.exists()


def test_only_the_runtime_that_runs_on_a_phone_is_started_there(tmp_path):
    """LiteRT in the worker's own interpreter would run on this machine, and be reported as the phone's."""
    on_phone, here = Engine("litert", "adb", {}), Engine("litert")

    with pytest.raises(
        RequestError, match="launcher adb does not start litert; it starts litert_binary, litert_binary_gpu"
    ):
        run_job(tmp_path / "m.tflite", tmp_path, Execution(on_phone, "litert"))
    with pytest.raises(RequestError, match="litert_binary is started by the launcher adb only"):
        run_job(tmp_path / "m.tflite", tmp_path, Execution(here, "litert_binary"))
    title = run_job(tmp_path / "m.tflite", tmp_path, Execution(on_phone, "litert_binary")).title
    assert title == "running m.tflite on litert_binary"


def test_other_environments_do_not_run_there(prepare):
    with pytest.raises(UnknownName, match="environment on launcher adb 'onnxruntime'"):
        prepare(environment="onnxruntime")


@pytest.mark.parametrize(
    ("variables", "ports"),
    [
        ({}, (5037,)),
        ({"ANDROID_ADB_SERVER_PORT": "5038"}, (5038,)),
        ({"ADB_SERVER_SOCKET": "tcp:5039", "ANDROID_ADB_SERVER_PORT": "5038"}, (5039,)),
        ({"ADB_SERVER_SOCKET": "tcp:localhost:5039"}, (5039,)),
        ({"ADB_SERVER_SOCKET": "tcp:lab.local:5039"}, ()),
        ({"ADB_SERVER_SOCKET": "localabstract:adb"}, ()),
        ({"ANDROID_ADB_SERVER_ADDRESS": "10.0.0.7"}, ()),
        ({"ANDROID_ADB_SERVER_ADDRESS": "127.0.0.1"}, (5037,)),
        ({"ANDROID_ADB_SERVER_PORT": "70000"}, ()),
    ],
)
def test_jobs_get_the_port_of_adbs_server_alone(variables, ports):
    """Where it is on this machine; else they get the network, because nobody knows the way there."""
    assert adb._ports(variables) == ports

"""What the help of every verb promises, and what a shell completes."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import toolkit
from toolkit import profiles, registry
from toolkit.cli import calibration, completion, debug, info, judge, package, serve_device, sweep, targets
from toolkit.cli.common import Common, Detailed, Located, Made, Printed
from toolkit.cli.handed import Handed
from toolkit.cli.help import GROUPS, HELP, OTHERS
from toolkit.cli.option_groups import Allowed, Quantized, Timed
from toolkit.cli.reported import Reported
from toolkit.cli.verbs import app, program
from toolkit.errors import RequestError

ROOT = Path(__file__).resolve().parents[3]
PROGRAM: Any = typer.main.get_command(app)
COMMAND = str(Path(sys.executable).parent / "edge-toolkit")
WIDTH = 80
# What the source of a verb, or of what it hands the group to, has where options of the group act.
ACTS = {
    Common: r"\bcommon\.executor\(allowed\)",
    Made: r"(launchers\.setup|serve_device)\(.*common\.settings\)",
    Located: r"doctor\(common\.settings\)",
    Printed: r"\bcommon\.show\(",
    Handed: r"\bhanded\(",
    Quantized: r"\bquantized\(",
    Allowed: r"\bcommon\.executor\(allowed\)",
    Timed: r"\btimed\.request\b",
    Reported: r"\breported\(",
    Detailed: r"\bdetailed\.screen",
}


def verbs(command: Any = PROGRAM, name: str = "") -> dict[str, Any]:
    """Return all verbs, by what a user types."""
    if not hasattr(command, "commands"):
        return {name: command}
    return {
        key: verb
        for word, each in command.commands.items()
        for key, verb in verbs(each, f"{name} {word}".strip()).items()
    }


VERBS = verbs()


def shown(*words: str) -> str:
    """Return the help of a verb as a terminal of 80 columns shows it."""
    command, context = PROGRAM, typer.Context(PROGRAM, info_name="edge-toolkit", terminal_width=WIDTH - 2, **HELP)
    for word in words:
        command = command.commands[word]
        context = typer.Context(command, info_name=word, parent=context)
    return str(command.get_help(context))


def function_of(name: str) -> Any:
    """Return the function that a verb was made of."""
    modules = (package, judge, sweep, debug, calibration, targets, info, serve_device)
    stem = re.sub("[ -]", "_", name)
    names = (stem, f"{stem}_")
    (found,) = (getattr(module, each) for module in modules for each in names if hasattr(module, each))
    return found


@pytest.mark.parametrize("verb", ["", "targets", "calibration", "cache", *VERBS])
def test_the_help_fits_a_terminal_and_leaks_no_types(verb):
    """80 columns; no `<list[str]>`, no `[[NAME...]]...`, no `{SOURCE}`; no sentence of the list of verbs is cut off."""
    text = shown(*verb.split())

    assert [line for line in text.splitlines() if len(line) > WIDTH] == []
    assert not re.search(r"<\w|\w>(?!=)|\[\[|\]\]\.|\{|list\[|\bPath\b|\bNone\b", text.replace("[[bounds]]", ""))
    assert "..." not in text.partition("Commands:")[2]
    assert "-h, --help" in text


@pytest.mark.parametrize("verb", VERBS)
def test_each_option_is_in_one_of_the_groups(verb):
    """Those of a verb that has few may be in none."""
    options = [each for each in VERBS[verb].params if each.param_type_name == "option"]

    assert {each.rich_help_panel for each in options} - {None} <= set(GROUPS)
    if not verb.startswith("cache"):
        assert [each.opts for each in options if each.rich_help_panel is None] == []
    headings = re.findall(r"^(\w+):$", shown(*verb.split()), re.MULTILINE)
    assert [each for each in headings if each in (*GROUPS, OTHERS)] == [
        group for group in (*GROUPS, OTHERS) if group in headings
    ]


@pytest.mark.parametrize("verb", VERBS)
def test_everything_is_explained(verb):
    """Each argument, each option, each verb."""
    assert VERBS[verb].help
    assert [each.name for each in VERBS[verb].params if not each.help] == []


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_speaks_of_this_verb_alone(verb):
    """Of no option that it has not, and of no verb by its name."""
    text = shown(*verb.split()).partition("Examples:")[0]
    known = {name for each in VERBS[verb].params for name in each.opts} | {"--help"}
    others = {name for name in VERBS if " " not in name} - {
        verb,
        "run",
        "build",
        "debug",
        "check",
        "compare",
        "convert",
    }

    assert set(re.findall(r"--[a-z][a-z-]+", text)) <= known | {"--target"} if verb == "targets list" else known
    assert not re.search(rf"\b({'|'.join(others)}|build and verify)\b (take|has|use)", text)


@pytest.mark.parametrize("verb", VERBS)
def test_each_example_is_a_command_line_of_the_verb(verb):
    """It is read, and does nothing."""
    examples = [line.strip() for line in shown(*verb.split()).partition("Examples:")[2].splitlines() if line.strip()]
    assert examples

    for example in examples:
        program, *words = shlex.split(example)
        assert program == "edge-toolkit"
        assert " ".join(words).startswith(verb)
        context = VERBS[verb].make_context(verb, words[len(verb.split()) :])
        assert context.args == []
        for name in context.params.get("target") or ():
            assert name in profiles.names() or len(name) == 1  # one target is its letters


@pytest.mark.parametrize("verb", VERBS)
def test_the_options_of_a_verb_act_in_it(verb):
    """It uses each group of options that it has; ruff sees to the options that are its own."""
    function = function_of(verb)
    source = inspect.getsource(function)
    source += "".join(
        inspect.getsource(getattr(sys.modules[function.__module__], name))
        for name in set(re.findall(r"\b(_[a-z]\w+)\(", source))
        if hasattr(sys.modules[function.__module__], name)
    )
    groups = [
        each.annotation
        for each in inspect.signature(function, eval_str=True).parameters.values()
        if hasattr(each.annotation, "OPTIONS")
    ]
    assert groups

    for group in groups:
        (pattern,) = (ACTS[kind] for kind in group.__mro__ if kind in ACTS and (kind is group or kind is Handed))
        assert re.search(pattern, source), group


def test_what_the_program_says_of_itself_is_the_same_everywhere():
    """In the help, in the package, and where it is distributed; and it is made for no device of which there is no profile."""
    said = toolkit.__doc__.splitlines()[0].rstrip(".")

    assert f'description = "{said}"' in (ROOT / "pyproject.toml").read_text()
    assert said in " ".join(shown().split())
    assert "microcontroller" not in said


def test_verify_with_bounds_refuses_each_option_that_would_do_nothing(tmp_path):
    """All at once."""
    said = [
        "--bounds",
        "b.toml",
        "--stop-early",
        "--reference-device",
        "gpu",
        "--shape",
        "x=1",
        "--trust",
        "--allow-network",
        "--latency",
        "--sustained",
        "3",
    ]
    context = VERBS["verify"].make_context("verify", [str(tmp_path), *said])

    with pytest.raises(RequestError) as refused:
        judge.verify(
            common=Common(False),
            handed=_read(judge.HandedSeveral, context),
            allowed=_read(Allowed, context),
            timed=_read(Timed, context),
            reported=Reported(None, as_json=False),
            detailed=Detailed(False),
            artifact=tmp_path,
            bounds=Path("b.toml"),
            stop_early=True,
            reference_device="gpu",
        )

    assert refused.value.problem.endswith(
        "takes no --stop-early, --reference-device, --shape, --trust, --allow-network, --latency, --sustained"
    )


def _read(group: Any, context: Any) -> Any:
    return group(**{name: context.params[name] for name in group.OPTIONS})


def test_update_baseline_refuses_what_would_do_nothing(tmp_path):
    """A report that nothing is written to would be missed later."""
    with pytest.raises(RequestError, match=r"takes no --allow, --report"):
        judge.check(
            common=Printed(False),
            reported=Reported([f"junit={tmp_path / 'r.xml'}"], as_json=False),
            bundle=tmp_path,
            baseline=tmp_path / "b.json",
            allow=tmp_path / "a.toml",
            update_baseline=True,
        )


COMPLETED = {
    "": {*PROGRAM.commands},
    "targets ": {"list", "show", "check", "new", "probe"},
    "build model -t ": {*profiles.names()},
    "build model --target rasp": {name for name in profiles.names() if name.startswith("rasp")},
    "targets show jets": {"jetson-orin-nano-cpu"},
    "build model --scheme ": {*registry.names("conversion/schemes")},
    "sweep model --estimator ": {*registry.names("conversion/estimators")},
    "convert model --quantizer ": {*registry.names("conversion/quantizers")},
    "compare a b --metric ": {*registry.names("comparison/metrics")},
    "build model --task-metric ": {*registry.names("comparison/task_metrics")},
    "build model --inputs-dtype ": {"float32", "int8", "uint8", "int16"},
    "build model --report ": {f"{name}=" for name in registry.names("report/formats")},
    "build model --gran": {"--granularity"},
    "compare a b --stage tot": {"total"},
    "sweep model --sort dr": {"drift"},
    "setup qe": {"qemu"},
    "run model.tflite -t host --samples set": set(),
}
COMPLETE = """
import json, os, sys
import toolkit.cli, toolkit.profiles  # once
from toolkit.__main__ import main

sys.argv = ["edge-toolkit"]
for number, words in enumerate(json.load(sys.stdin)):
    if os.fork() == 0:
        for stream in (1, 2):
            os.dup2(os.open(f"said.{number}.{stream}", os.O_WRONLY | os.O_CREAT), stream)
        os.environ |= {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        main()
    os.wait()
"""


@pytest.fixture(scope="module")
def completed(tmp_path_factory):
    """Return what bash is told for each text, on both streams: by processes forked from one, as importing takes longer than answering."""
    folder = tmp_path_factory.mktemp("completed")
    words = json.dumps([["edge-toolkit", *typed.split(" ")] for typed in COMPLETED])
    variables = {**os.environ, "_EDGE_TOOLKIT_COMPLETE": "complete_bash", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", COMPLETE], env=variables, input=words, text=True, cwd=folder, check=True)
    said = ([(folder / f"said.{number}.{stream}").read_text() for stream in (1, 2)] for number in range(len(COMPLETED)))
    return dict(zip(COMPLETED, said, strict=True))


@pytest.mark.parametrize("typed", COMPLETED)
def test_a_shell_completes_names(completed, typed):
    """As bash asks, and with nothing where files are meant."""
    out, err = completed[typed]

    assert set(out.split()) == COMPLETED[typed]
    assert err == ""


def test_a_kind_completes_after_the_name_of_an_output():
    assert "logits=class_scores" in completion.output_kinds("logits=class")
    assert completion.output_kinds("logi") == []


def test_completion_never_ends_as_a_verdict_does(tmp_path):
    """A shell that is not known, and a home that cannot be written to: 2 and 3."""
    unknown = {**os.environ, "_EDGE_TOOLKIT_COMPLETE": "complete_tcsh"}
    home = tmp_path / "home"
    home.touch()
    into = {**os.environ, "HOME": str(home), "SHELL": "/bin/bash"}
    installing = f"bash -c '{Path(sys.executable).parent}/edge-toolkit --install-completion; exit $?'"

    assert subprocess.run([COMMAND], env=unknown, capture_output=True, check=False).returncode == 2
    ended = subprocess.run(shlex.split(installing), env=into, capture_output=True, text=True, check=False)
    assert ended.returncode == 3, ended.stderr
    assert "completion was not installed" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_completion_is_installed_where_a_shell_reads_it(tmp_path):
    """And what was in the file stays."""
    (tmp_path / ".bashrc").write_text("alias x=y\n")
    installing = f"bash -c '{Path(sys.executable).parent}/edge-toolkit --install-completion; exit $?'"

    ended = subprocess.run(
        shlex.split(installing), env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / ".bashrc").read_text().startswith("alias x=y\n")
    assert "_EDGE_TOOLKIT_COMPLETE" in (tmp_path / ".bash_completions" / "edge-toolkit.sh").read_text()


def test_arguments_are_read_without_an_adapter_for_each():
    """They cost a tenth of an unchanged build."""
    code = (
        "import sys, typer, toolkit.cli; from toolkit.cli.verbs import app; program = typer.main.get_command(app);"
        "words = 'build model -t host --step 3 --timeout 5 --out d --calibration s --json'.split();"
        "program.invoke = lambda context: context;"
        "program.main(words, standalone_mode=False); read = program.commands['build'].make_context('build', words[1:]).params;"
        "print(read['step'], read['timeout'], read['out'].name, read['target'], read['as_json'], read['memory'], read['bind']);"
        "print('pydantic' in sys.modules)"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert ended.stdout.splitlines() == ["3 5.0 d ['host'] True 8.0 ()", "False"]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--step x", "'x'; expected a whole number"),
        ("--step 1.5", "'1.5'; expected a whole number"),
        ("--timeout soon", "'soon'; expected a number"),
    ],
)
def test_a_text_that_is_no_number_is_refused_with_what_is_expected(option, said):
    """In our words, not in those of a library."""
    with pytest.raises(typer.BadParameter) as refused:
        VERBS["build"].make_context("build", ["model", "-t", "host", *option.split()])

    assert refused.value.message == said


def test_each_number_of_a_list_is_read():
    """As `sweep --size` takes them."""
    read = VERBS["sweep"].make_context("sweep", ["model", "-t", "host", "--size", "5", "--size", "70"]).params

    assert read["size"] == [5, 70]


@pytest.mark.parametrize(("words", "known"), [(["build", "m"], ["build"]), (["cache", "prune"], ["cache"])])
def test_only_the_verb_of_a_command_line_is_read(words, known):
    """An unchanged build takes longer by the time that parsers of all others take."""
    narrowed: Any = typer.main.get_command(program(words))

    assert list(narrowed.commands) == known
    narrow, whole = (each.commands[words[0]] for each in (narrowed, PROGRAM))
    assert narrow.get_help(typer.Context(narrow, **HELP)) == whole.get_help(typer.Context(whole, **HELP))


@pytest.mark.parametrize("words", [[], ["--version"], ["bild"], ["-h"]])
def test_without_a_verb_all_are_known(words):
    assert program(words) is app


def test_a_target_is_begun_and_the_lists_say_how_it_is_verified(commands, tmp_path):
    """By the program itself: exit status 0, then 2 with the next step where the file is there or nothing is like it."""
    new = "targets new my-board --like "

    made, again, unlike, checked, listed, shown = commands.run(
        f"{new}raspberry-pi-4",
        f"{new}raspberry-pi-4",
        f"{new}raspbery-pi-4 --out my-board.toml --json",
        "targets check targets/my-board.toml",
        "targets list --json",
        "targets show my-board",
    )

    assert (made.status, checked.status) == (0, 0), made.told + checked.told
    assert made.printed.startswith("targets/my-board.toml: written")
    assert again.status == unlike.status == 2
    assert "never overwritten; choose another name" in again.told
    assert "did you mean 'raspberry-pi-4'?" in json.loads(unlike.printed)["error"]["problem"]
    assert not (tmp_path / "my-board.toml").exists()
    mine = next(row for row in json.loads(listed.printed) if row["name"] == "my-board")
    assert mine["verified"] == {
        "how": "emulated (QEMU, cortex-a72); not timed", "host": False, "emulated": True, "timed": False, "stands_in": False, "static": False,
    }  # fmt: skip
    assert "verified: emulated (QEMU, cortex-a72); not timed" in shown.printed

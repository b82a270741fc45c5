"""Asks a runtime what it can run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from toolkit import environments, registry
from toolkit.errors import UnknownName
from toolkit.execution.run import Execution
from toolkit.experiments.probing import probed
from toolkit.files import outputs
from toolkit.files.places import make_folders
from toolkit.jobs.executor import Executor
from toolkit.jobs.runtime_engine import engine_of_runtime
from toolkit.pipeline.prepare import executing
from toolkit.pipeline.stages import execution_of
from toolkit.profiles.capabilities import Probing, name_of, text_of
from toolkit.verbs.arguments import Place

_RUNTIMES = "execution/runtimes"
TABLE = outputs.kind_of_json("capabilities")


def probe(what: str, out: Place | None = None, *, executor: Executor | None = None) -> Probing:
    """Make the table of what a runtime can run, and write it to `out`, by default `capabilities/NAME-VERSION.json` in the current folder.

    `what` is a target, whose runtime is asked as the target starts it, or a runtime of this machine, as "tflite_runtime==2.14.0". UnknownName if it
    is neither.
    """
    runtime, version, execution, artifact_format = _asked(what)
    path = Path("capabilities", name_of(runtime, version)) if out is None else Path(out)
    outputs.require_files([outputs.OutputPath(path, TABLE.refusal)])
    with executing(executor, None) as running:
        running.prepare(execution.engine)
        made = probed(runtime, version, execution, artifact_format, running)
    make_folders(path.parent)
    outputs.write_text(text_of(made.table), path, TABLE)
    return replace(made, path=path)


def _asked(what: str) -> tuple[str, str, Execution, str]:
    """Return the runtime, its version, how it is started, and the format that it runs."""
    from toolkit import profiles

    name, _, version = what.partition("==")
    if name in registry.names(_RUNTIMES):
        pinned = environments.version(registry.load(_RUNTIMES, name).ENVIRONMENT)
        version = version or str(pinned)
        engine = engine_of_runtime(name, version)
        return name, version, Execution(engine, name), registry.load(_RUNTIMES, name).FORMATS[0]
    if version:
        raise UnknownName("runtime", name, registry.names(_RUNTIMES))
    if what not in profiles.names() and not what.endswith(".toml"):
        raise UnknownName("target or runtime", what, (*profiles.names(), *registry.names(_RUNTIMES)))
    target = profiles.runnable(what)
    return target.runtime.name, target.runtime.version, execution_of(target), target.format

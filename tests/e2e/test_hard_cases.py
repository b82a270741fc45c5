"""Cases in which a verdict has been wrong before, each with the network of the corpus that has it: samples, bounds and versions that mislead.

What is wrong with a file, or healthy, is in test_corpus.py; an index outside of its table in test_table_index.py; a reference kernel that is at fault
in test_float_noise.py.
"""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from toolkit import Original, Samples
from toolkit.errors import EdgeToolkitError

pytestmark = pytest.mark.slow  # whole builds of many networks

LABELLED = """
[reader]
kind   = "arrays"
path   = "{path}"
inputs = {{ {name} = "{name}" }}
labels = "labels"
[preprocess]
{preprocess}
[sampling]
{sampling}
"""


@pytest.fixture
def corpus(made):
    """Return the folder of the corpus."""
    return made("make_corpus.py")


@pytest.fixture
def verified(corpus, executor):
    """Return a function that verifies a file of the corpus, with other samples or another profile where they are given."""

    def verify(network, file="control", evaluation=None, target="host"):
        folder = corpus / network
        samples = Samples(str(folder / "calibration.npz"), str(evaluation or folder / "evaluation.npz"))
        original = Original(folder / "model")
        outcome = toolkit.verify(folder / f"{file}.tflite", original, [str(target)], samples, None, executor=executor)
        (only,) = outcome.values()
        return only

    return verify


@pytest.fixture
def held(corpus):
    """Return a function that returns a network's samples that judge, what is true of them, and what the original answers."""

    def read(network):
        with (
            np.load(corpus / network / "evaluation.npz") as samples,
            np.load(corpus / network / "answers.npz") as answers,
        ):
            (truth,), (original,) = (
                [answers[name] for name in answers.files if name.startswith(f"{of}/")] for of in ("truth", "original")
            )
            return dict(samples), truth, original

    return read


@pytest.fixture
def labelled(tmp_path):
    """Return a function that writes a set with labels, and returns its recipe."""

    def write(labels, preprocess="", sampling="", **held):
        ((name, values),) = held.items()
        np.savez(tmp_path / "set.npz", labels=labels, **{name: values})
        path = tmp_path / "set.toml"
        text = LABELLED.format(path=tmp_path / "set.npz", name=name, preprocess=preprocess, sampling=sampling)
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("with_labels", [True, False])
def test_samples_of_one_class_are_no_evidence_for_the_others(verified, held, labelled, arrays, with_labels):
    """A healthy file, of which nothing is known for nine classes in ten."""
    samples, truth, scores = held("digits")
    alike = (truth == 3) & (scores.argmax(-1) == 3)
    images, sampling = samples["image"][alike], f"verification = {alike.sum()}"
    evaluation = labelled(truth[alike], sampling=sampling, image=images) if with_labels else arrays(image=images)

    verdict = verified("digits", evaluation=evaluation)

    assert verdict.outcome == "inconclusive"
    (said,) = (each for each in verdict.findings if each.code == "one-class")
    assert "9 of 10 classes" in said.message


def test_six_of_a_rare_class_show_that_it_is_never_found(verified, held, arrays):
    """Accuracy hardly moves."""
    samples, truth, _ = held("rare")
    kept = np.sort(np.concatenate([np.flatnonzero(truth == 1)[:6], np.flatnonzero(truth == 0)]))

    verdict = verified("rare", "rare-low", arrays(row=samples["row"][kept]))

    assert verdict.outcome == "failed"


@pytest.mark.parametrize(
    ("network", "says"), [("digits", "check how they are preprocessed"), ("landmarks", "off-range")]
)
def test_the_same_wrong_preprocessing_on_both_sides_is_named(corpus, held, labelled, executor, tmp_path, network, says):
    """Grey levels from 0 to 1, of which 127.5 are taken: the original answers the same for all, or nearly, and so does whatever is made of it."""
    samples, truth, _ = held(network)
    ((name, pixels),) = samples.items()
    given = {name: pixels / pixels.max()}
    both = labelled(truth, 'dtype = "float32"\nmean = 127.5', "calibration = 100", **given)

    outcome = toolkit.build(
        Original(corpus / network / "model"),
        ["host"],
        Samples(str(both)),
        tmp_path,
        scheme="static_wi8_ai8",
        executor=executor,
    )["host"]

    if isinstance(outcome, EdgeToolkitError):
        assert says in f"{outcome} {outcome.hint}"
    else:
        assert not outcome.passed
        assert says in {each.code for each in outcome.findings}


@pytest.mark.parametrize("verb", ["build", "verify"])
def test_a_users_own_bound_decides(verified, corpus, profile, executor, tmp_path, verb):
    """That the inherited bound names schemes makes it no nearer."""
    mine = profile(
        "strict", '[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "sqnr_db"\nlimit = 90\nbecause = "of a test"'
    )
    folder = corpus / "digits"
    samples = Samples(str(folder / "calibration.npz"), str(folder / "evaluation.npz"))

    if verb == "verify":
        verdict = verified("digits", target=mine)
    else:
        (verdict,) = toolkit.build(
            Original(folder / "model"),
            [str(mine)],
            samples,
            tmp_path / "dist",
            scheme="static_wi8_ai8",
            executor=executor,
        ).values()

    assert verdict.outcome == "failed"
    (missed,) = (each for each in verdict.comparisons if each.status == "failed")
    assert (missed.stage, missed.metric, missed.limit) == ("total", "sqnr_db", 90)


def test_a_release_of_the_runtime_that_there_is_not_is_an_error_that_names_both(verified, profile):
    """No verdict says that it is of a version that it is not of. Without network, it says that."""
    other = profile("other", '[runtime]\nname = "litert"\nversion = "9.9.9"\nlauncher = "local"')

    with pytest.raises(
        EdgeToolkitError, match=r"no ai-edge-litert 9\.9\.9; litert is pinned to 2\.3\.0|could not reach the network"
    ):
        raise_if_error(verified("digits", target=other))


def raise_if_error(outcome):
    """Raise what kept a target from a verdict."""
    if isinstance(outcome, Exception):
        raise outcome


def test_int8_that_loses_a_sensor_is_refused_and_another_scheme_ships(corpus, executor, tmp_path):
    """The report says why, and of the int8 file too."""
    folder = corpus / "kelvin_of_sensors"
    samples = Samples(str(folder / "calibration.npz"), str(folder / "evaluation.npz"))

    verdict = toolkit.build(Original(folder / "model"), ["host"], samples, tmp_path, executor=executor)["host"]

    assert verdict.passed
    assert verdict.artifact.scheme != "static_wi8_ai8"
    assert verdict.tried[0].artifact.scheme == "static_wi8_ai8"
    assert verdict.tried[0].outcome == "failed"
    text = (tmp_path / "host" / "report.md").read_text()
    assert "static_wi8_ai8" in text
    assert "sqnr_db" in text

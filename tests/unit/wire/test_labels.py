"""Labels of every kind come back from a set as they were read: numbers, arrays, masks, boxes, texts, one target or several."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from toolkit.errors import InvalidSamples
from toolkit.samples.fitting import _label
from toolkit.samples.readers import ReadRequest, Sample, arrays, images, python
from toolkit.wire import labels


def kept(tmp_path, *each):
    """Return what comes back of the samples' labels, as a reader gave them."""
    held = [_label(Sample({}, label, f"sample {index}")) for index, label in enumerate(each)]
    for other in held[1:]:
        problem = labels.mismatch(held[0], other)
        if problem:
            raise InvalidSamples(problem)
    labels.write(tmp_path, held)
    return labels.read(tmp_path)


@pytest.mark.parametrize(
    "each", [(3, 4), ([1.5, 2.5], [3.5, 4.5]), (np.zeros((2, 3), np.uint8), np.ones((2, 3), np.uint8))]
)
def test_one_target_of_one_shape_is_an_array(tmp_path, each):
    """As it always was: in labels.npy."""
    found = kept(tmp_path, *each)

    assert [path.name for path in tmp_path.iterdir()] == ["labels.npy"]
    np.testing.assert_array_equal(found, each)
    assert found.dtype == np.asarray(each[0]).dtype


def test_boxes_differ_in_number(tmp_path):
    """None at all among them."""
    boxes = [np.arange(8.0).reshape(2, 4), np.zeros((0, 4)), np.ones((1, 4))]

    found = kept(tmp_path, *({"boxes": box, "classes": np.arange(len(box))} for box in boxes))

    assert list(found) == ["boxes", "classes"]
    assert [box.tolist() for box in found["boxes"]] == [box.tolist() for box in boxes]
    assert [one.tolist() for one in found["classes"]] == [[0, 1], [], [0]]


def test_sequences_differ_in_length(tmp_path):
    found = kept(tmp_path, [1, 2, 3], [4])

    assert [one.tolist() for one in found["labels"]] == [[1, 2, 3], [4]]


def test_texts_are_texts(tmp_path):
    """In any language, and empty."""
    found = kept(
        tmp_path, {"said": "the cat", "speed": 1.5}, {"said": "", "speed": 2.5}, {"said": "Kätzchen 猫", "speed": 3.5}
    )

    assert found["said"] == ["the cat", "", "Kätzchen 猫"]
    assert found["speed"].tolist() == [1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    ("one", "two", "says"),
    [
        ({"a": 1}, {"b": 1}, r"label of targets \['b'\], others have \['a'\]"),
        ({"a": 1}, {"a": "x"}, r"label 'a' of text, others have of shape \(\)"),
        (
            {"a": np.zeros((2, 4))},
            {"a": np.zeros((2, 3))},
            r"label 'a' of shape \(any length, 3\), others have of shape \(any length, 4\)",
        ),
        (1, [1], r"label of shape \(any length\), others have of shape \(\)"),
        (1, "cat", "label 'cat'; expected a number"),
        ({"a": None}, {"a": None}, "label None; expected a number"),
        ({"a": float("nan")}, {"a": 1}, "label nan; expected a number"),
    ],
)
def test_labels_that_are_of_no_one_kind_are_refused(tmp_path, one, two, says):
    with pytest.raises(InvalidSamples, match=says):
        kept(tmp_path, one, two)


def test_arrays_are_targets_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)), b=np.ones((2, 5, 4)), t=np.array(["a b", "c"]))
    np.save(tmp_path / "c.npy", np.arange(2))
    options = arrays.Options("a.npz", {"x": "x"}, {"boxes": "b", "said": "t", "classes": "c.npy"})
    files = {key: tmp_path / name for key, name in arrays.files(options).items()}
    (tmp_path / "scratch").mkdir()

    first, second = map(arrays.read(options, files, ReadRequest(("x",), tmp_path / "scratch")).samples.at, range(2))

    assert (first.label["said"], second.label["said"]) == ("a b", "c")
    assert second.label["boxes"].tolist() == np.ones((5, 4)).tolist()
    assert second.label["classes"] == 1


def test_a_function_gives_targets_by_name():
    given = python._table(
        "f", np.zeros((2, 3)), {"boxes": [np.zeros((1, 4)), np.zeros((2, 4))], "speed": np.arange(2)}, ("x",)
    )

    assert given.at(1).label["boxes"].shape == (2, 4)
    assert given.at(1).label["speed"] == 1
    with pytest.raises(InvalidSamples, match="number of samples"):
        python._table("f", np.zeros((2, 3)), {"boxes": [np.zeros((1, 4))]}, ("x",))


def test_masks_belong_to_images_by_their_names(tmp_path):
    """Class indices as the file has them: a palette's are not its colours."""
    for place in ("images", "masks"):
        (tmp_path / place).mkdir()
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(tmp_path / "images" / "a.jpg")
    mask = Image.fromarray(np.array([[0, 1, 2], [255, 1, 0]], np.uint8), "L").convert("P")
    mask.putdata([0, 1, 2, 255, 1, 0])
    mask.save(tmp_path / "masks" / "a.png")
    options = images.Options("images", masks="masks")
    files = {key: tmp_path / name for key, name in images.files(options).items()}
    read = lambda: images.read(options, files, ReadRequest(("x",), tmp_path)).samples.at(0)  # noqa: E731

    assert read().label.tolist() == [[0, 1, 2], [255, 1, 0]]
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(tmp_path / "masks" / "a.png")
    with pytest.raises(InvalidSamples, match="picture of mode RGB; expected one with class indices"):
        read()
    (tmp_path / "masks" / "a.png").write_bytes(b"no picture")
    with pytest.raises(InvalidSamples, match=r"a.png: does not decode"):
        read()
    (tmp_path / "masks" / "a.png").rename(tmp_path / "masks" / "b.png")
    with pytest.raises(InvalidSamples, match=r"a.jpg: has 0 masks in masks; expected one with its name"):
        read()


def test_a_target_may_be_called_as_an_input(tmp_path):
    """Its number of samples is held against the input's all the same."""
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)), y=np.zeros(3))
    options = arrays.Options("a.npz", {"x": "x"}, {"x": "y"})

    with pytest.raises(InvalidSamples, match=r"different numbers of samples .*: x 2, labels.x 3"):
        arrays.read(options, {"path": tmp_path / "a.npz"}, ReadRequest(("x",), tmp_path))
    with pytest.raises(InvalidSamples, match=r"'x': 2, 'labels.x': 3"):
        python._table("f", np.zeros((2, 3)), {"x": np.zeros(3)}, ("x",))

"""What holds on some processors only, as it is said where a file ran."""

from __future__ import annotations

from dataclasses import replace

from toolkit.findings import Finding
from toolkit.verdict.holding import said_where_it_ran

OTHER = Finding("not-smaller", "warning", "large", names=())
OVERFLOWS = Finding("overflows-without-vnni", "warning", "sums are cut off", names=("y",))


def test_the_class_of_the_processor_is_said():
    about = {"machine": "x86_64", "processor": "x86_64 with AVX-512 VNNI"}

    other, said = said_where_it_ran([OTHER, OVERFLOWS], about)

    assert other == OTHER
    message = "sums are cut off; verified on x86_64 with AVX-512 VNNI, where it does not appear"
    assert said == replace(OVERFLOWS, message=message)


def test_where_sums_are_cut_off_other_inputs_may_differ():
    (said,) = said_where_it_ran([OVERFLOWS], {"machine": "x86_64", "processor": "x86_64 with AVX2, no VNNI"})

    assert said.message.endswith("; verified on x86_64 with AVX2, no VNNI, where other inputs may still exceed them")


def test_what_cannot_be_told_is_called_unknown():
    (said,) = said_where_it_ran([OVERFLOWS], {})

    assert said.message.endswith("; verified on unknown, where it may or may not appear")


def test_arm_has_no_such_fault():
    about = {"machine": "aarch64", "processor": "aarch64 with dot product"}

    assert [*said_where_it_ran([OVERFLOWS, OTHER], about)] == [OTHER]

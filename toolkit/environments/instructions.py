"""The class of a processor, in words: its instructions for 8-bit integers, as far as results depend on them.

On x86 without VNNI an engine multiplies uint8 by int8 with `vpmaddubsw`, which adds two products in 16 bits and saturates. With VNNI, and always on
ARM, sums have 32 bits.

Names of features: Linux, arch/x86/include/asm/cpufeatures.h, arch/arm64/kernel/cpuinfo.c, arch/arm/kernel/setup.c.
"""

from __future__ import annotations

from collections.abc import Collection

X86 = ("x86_64", "AMD64")
ARM = ("aarch64", "arm64")
ARM_32_BITS = ("armv7l",)
# Engines (XNNPACK, oneDNN, ruy) choose their kernels by these features; in the order in which they appeared.
_CHOOSING = (
    *"sse4_1 avx f16c fma avx2 avx512f avx512bw avx512_vnni avx_vnni avx512_bf16 avx512_fp16 amx_tile amx_int8 avx_vnni_int8".split(),
    *"asimd fphp asimdhp asimddp asimdfhm i8mm bf16 sve sve2 sme sme2".split(),
)
UNKNOWN = "unknown"
NO_VNNI = "no VNNI"

# The first of these that a processor has is its class.
_OF_X86 = {
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX-VNNI",
    "avx512bw": f"AVX-512, {NO_VNNI}",
    "avx2": f"AVX2, {NO_VNNI}",
    "avx": f"AVX, {NO_VNNI}",
    "sse4_1": f"SSE4.1, {NO_VNNI}",
}
_OF_ARM = {"i8mm": "8-bit matrix products", "asimddp": "dot product", "asimd": "NEON, no dot product"}
_OF_ARM_32_BITS = {"neon": "NEON"}
_CLASSES = ((X86, _OF_X86), (ARM, _OF_ARM), (ARM_32_BITS, _OF_ARM_32_BITS))
_WITH_VNNI = {"avx512_vnni", "avx_vnni"}


def choosing(features: Collection[str]) -> list[str]:
    """Return those of a processor's features, as Linux names them, that engines choose their kernels by."""
    return [feature for feature in _CHOOSING if feature in features]


def class_of(machine: str, features: Collection[str]) -> str:
    """Return a processor's class, as "x86_64 with AVX2, no VNNI"; without any feature known, "x86_64, features unknown"."""
    known = next((known for machines, known in _CLASSES if machine in machines), {})
    found = next((words for feature, words in known.items() if feature in features), None)
    return f"{machine} with {found}" if found else f"{machine}, features {UNKNOWN}"


def cuts_sums_off(machine: str, features: Collection[str]) -> bool:
    """Return whether sums of products of uint8 and int8 saturate at 16 bits there; False where the features are not known."""
    return machine in X86 and bool(features) and _WITH_VNNI.isdisjoint(features)

"""The side of a job that runs in an engine's own interpreter: standard library, numpy and safetensors only.

Nothing here may import the host's modules but `toolkit.errors`: the interpreter may be Python 3.9 with numpy 1, or an emulated one.
"""

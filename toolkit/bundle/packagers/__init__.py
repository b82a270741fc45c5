"""What a bundle has for the target's own build beside the artifact, one file each; a profile names them in `packagers`.

A packager is a module with

    write(verdict, folder) -> None      writes its files into the folder of a verdict that passed, from `verdict.artifact` and what was measured

Names in a model are a stranger's: none reaches a file that somebody compiles before its characters are checked.
"""

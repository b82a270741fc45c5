"""Reads files of others with distrust, and writes files whole. Standard library only: workers in any interpreter import it.

archives    zip archives that somebody else may have written: each part is looked at before any is read
file_window a stretch of an open file, as a file of its own
foreign     plain files and JSON that somebody else may have written, changed or put there
places      checks what lies where something is to be written
private     folders that nobody else may change
removal     counts and removes folders of jobs, however deep they are
renaming    renames that replace nothing, and exchanges of two names
shapes      declares the shape of a piece of JSON, and finds where it differs
whole       files and folders that are written whole or not at all
"""

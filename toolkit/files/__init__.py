"""Files as such: what may be read as one, and what is written whole. Standard library only: workers of any interpreter import it.

archives    zip archives that somebody else may have written: each part is looked at before any is read
file_window a stretch of an open file, as a file of its own
foreign     plain files and JSON that somebody else may have written, changed or put there
places      what lies where something is to be written
private     folders that nobody else may change
removal     folders of jobs, counted and removed however deep they go
renaming    renames that replace nothing, and exchanges of two names
shapes      what a piece of JSON has to look like, and where it does not
whole       files and folders that are written whole or not at all
"""

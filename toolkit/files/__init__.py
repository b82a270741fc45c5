"""Files as such: what may be read as one, and what is written whole. Standard library only: workers of any interpreter import it.

archives    zip archives that somebody else may have written: each part is looked at before any is read
foreign     plain files and JSON that somebody else may have written, changed or put there
shapes      what a piece of JSON has to look like, and where it does not
"""

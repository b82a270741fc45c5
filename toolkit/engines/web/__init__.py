"""Engines in a web page: a browser without a window, its page, and the scripts in the page that run a model.

    devtools    the pipe to the browser's DevTools
    browser     the program, with a new profile, and the files that its page may load
    page        a page that runs a model: arrays go in and come out

A launcher says by the variable `toolkit.wire.browser_setup.SAID` which browser, packages and accelerator are used.
"""

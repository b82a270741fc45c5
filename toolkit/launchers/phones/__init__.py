"""Phones that open a page of this machine: `serve-device`, and what runs in their pages.

pairing       which phone it is: a token that serves once, and the session that follows
phone         what the phone is asked, one thing after another, and its answers
site          the files that it may load
web_server    its requests over HTTP
local_line    jobs of this machine, which ask it
address       where it finds this machine, and certificates
dial          starts a worker with a connection to `serve-device`; a program of its own
page/         the page, and the frame in it that runs a model
"""

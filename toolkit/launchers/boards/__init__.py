"""Boards that are reached by ssh: their options, the line to them, what they are, and what is brought there."""

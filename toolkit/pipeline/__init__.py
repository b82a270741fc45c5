"""A model and a target -> attempts, each with its stages and its verdict."""

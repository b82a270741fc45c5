"""The verbs, one in each file: what the command line and `import toolkit` offer."""

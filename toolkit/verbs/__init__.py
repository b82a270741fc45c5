"""The verbs, one in each file; the command line and `import toolkit` offer them."""

"""What host and workers hand over to each other: requests, shards of arrays, labels, statistics."""

"""JSON of LXD and simplestreams to and from the model: pure functions, unknown fields kept."""

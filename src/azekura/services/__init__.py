"""The use cases: the only place that joins catalog, blobs, formats, storage, runtime, templates and remotes."""

"""The content store: ingest, commit(expected), open."""

"""Use cases around images: in by every way, kept, changed, explained, out again."""

"""The pongo2 dialect of image templates: lexer, parser, renderer, filters. No file access exists here."""

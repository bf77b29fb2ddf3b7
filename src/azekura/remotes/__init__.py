"""Where images come from, behind one port: LXD servers, simplestreams, direct URLs."""

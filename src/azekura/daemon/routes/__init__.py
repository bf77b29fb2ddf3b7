"""The REST API, one module per resource. `table.py` lists every route."""

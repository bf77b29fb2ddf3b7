"""Values and rules of the field, without any input or output. Standard library only."""

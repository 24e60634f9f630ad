"""The stages of a cell: pure functions of a specification, inputs, a seed and a device that return what they made."""

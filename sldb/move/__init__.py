"""Databases of a stack on their way from one store to another."""

"""Tools for authors: JSON Schema, diagrams and the gallery of templates."""

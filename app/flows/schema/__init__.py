"""The JSON Schema of flow files, read off what reads them."""

"""A folder of flow files, loaded, watched and kept in versions."""

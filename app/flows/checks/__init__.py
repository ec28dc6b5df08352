"""What is wrong with flow files, or probably not meant."""

"""What lies on disk: Delta tables, sealed batches, sealed artifacts, locks."""

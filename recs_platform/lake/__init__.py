"""What lies on disk: Delta tables, sealed batches, sealed artifacts, locks. No SQL, no meaning of the rows."""

"""The log of pushed rows: partitioned Parquet that the ingest worker writes and the offline side reads."""

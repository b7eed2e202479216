"""One file a stage, each a batched map transform over a `datasets` table."""

"""The only home of column names, types and vocabularies."""

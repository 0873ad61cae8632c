"""The only importer of psycopg: reads, actions and SQL against both servers."""

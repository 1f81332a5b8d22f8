"""DuckDB: connections, the SQL-model runner with its tests, and publishing."""

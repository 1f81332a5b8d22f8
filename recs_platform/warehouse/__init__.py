"""DuckDB: connections, the SQL-model runner with its tests, and publishing. No stage logic, no Dagster, no clock."""

"""PostgreSQL: kind "postgresql"."""

"""What people run: export, tables and the benchmark driver."""

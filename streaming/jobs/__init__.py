"""The jobs of the dataflow: from tables to tables, without I/O and without a clock."""

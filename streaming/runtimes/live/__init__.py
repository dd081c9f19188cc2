"""The live engine: the dataflow fed as data arrives, tick by tick, over the table store."""

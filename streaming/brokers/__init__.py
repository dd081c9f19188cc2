"""Where orders go: brokers behind one interface, and a simulated exchange."""

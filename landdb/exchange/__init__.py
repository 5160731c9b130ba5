"""What leaves this process: background work and, in time, deliveries to partners."""

"""The tick, the actions under way, and the lease."""

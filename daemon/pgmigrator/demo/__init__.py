"""A live migration on embedded servers: an optional extra that nothing imports."""

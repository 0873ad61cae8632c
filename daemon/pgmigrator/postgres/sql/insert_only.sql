-- What the source had counted of each table that is replicated by its inserts alone, before its copy.
SELECT source_oid, changes, counting_since FROM pgmigrator.insert_only

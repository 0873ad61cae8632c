-- Prepared transactions anywhere on this server.
SELECT quote_literal(gid) AS object,
       format('of role %s in database %s, prepared %s s ago', quote_ident(owner),
              quote_ident(database),
              extract(epoch FROM clock_timestamp() - prepared)::bigint) AS detail
  FROM pg_prepared_xacts
 ORDER BY prepared

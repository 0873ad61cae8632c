-- Who gave security labels to objects of this database, and to how many.
SELECT quote_ident(provider) AS object,
       format('%s objects, such as %s', count(*),
              min((SELECT concat(i.type, ' ', i.identity)
                     FROM pg_identify_object(classoid, objoid, objsubid) i))) AS detail
  FROM pg_seclabel
 GROUP BY provider

-- Which incidents began within a minute of each other in different ensembles of a site: a shared switch, hypervisor or disk?
SELECT a.site, a.ensemble, a.root, a.suspect, b.ensemble AS other_ensemble, b.root AS other_root,
    b.suspect AS other_suspect, ROUND(CAST(unix_micros(b.started_at) - unix_micros(a.started_at) AS DOUBLE) / 1000000, 1) AS seconds_later
FROM incidents a
JOIN incidents b ON b.site = a.site AND b.ensemble <> a.ensemble
    AND unix_micros(b.started_at) - unix_micros(a.started_at) BETWEEN 0 AND 60000000
    AND (unix_micros(b.started_at) > unix_micros(a.started_at) OR b.ensemble > a.ensemble)
ORDER BY a.site, a.ensemble, unix_micros(a.started_at), b.ensemble, unix_micros(b.started_at)

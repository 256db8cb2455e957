-- Which ensembles cannot be judged, or not wholly, and why?
SELECT site, ensemble, date, coverage, hosts, hosts_expected, links_seen, links_expected, gaps, blind
FROM runs
WHERE coverage <> 'full'
ORDER BY coverage, site, ensemble, date, run

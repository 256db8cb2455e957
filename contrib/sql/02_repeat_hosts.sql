-- Which hosts are the root of more than one incident?
SELECT site, ensemble, suspect, MAX(suspect_name) AS name, COUNT(*) AS incidents, COUNT(DISTINCT root) AS roots,
    MIN(root) AS root, SUM(outage_ms) AS outage_ms, MIN(date) AS first_day, MAX(date) AS last_day
FROM incidents
WHERE suspect_kind IN ('host', 'host_network')
GROUP BY site, ensemble, suspect
HAVING COUNT(*) > 1
ORDER BY incidents DESC, site, ensemble, suspect

-- Which hardware has slow disks? The inventory says which server is which.
WITH slow AS (
    SELECT v.hardware, COUNT(*) AS incidents, COUNT(DISTINCT CONCAT(i.site, '/', i.ensemble, '/', i.suspect)) AS slow_hosts
    FROM incidents i
    JOIN inventory v ON v.site = i.site AND v.ensemble = i.ensemble AND v.server = i.suspect
    WHERE i.root = 'disk_slow' AND i.suspect_kind = 'host'
    GROUP BY v.hardware
), owned AS (
    SELECT hardware, COUNT(DISTINCT CONCAT(site, '/', ensemble, '/', server)) AS hosts FROM inventory GROUP BY hardware
)
SELECT owned.hardware, owned.hosts, COALESCE(slow.slow_hosts, 0) AS slow_hosts, COALESCE(slow.incidents, 0) AS incidents
FROM owned LEFT JOIN slow ON slow.hardware = owned.hardware
ORDER BY incidents DESC, owned.hardware
